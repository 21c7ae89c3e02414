import { featuresOf, type Group, type Vocabulary, words } from '../../inference-container/tasks/ngrams.ts';

/** The blocks of the model's features, and how often a feature must be seen to count. */
const BLOCKS: { groups: Group[]; least: number }[] = [
  { groups: ['words', 'pairs'], least: 2 },
  { groups: ['characters'], least: 2 },
];

/** idf to this power: between counting every feature alike (0) and trusting rare ones most (1). */
const IDF_POWER = 0.5;

/** The features of the training texts, in the order in which they are first seen. */
export function buildVocabulary(texts: string[]): Vocabulary {
  const tokenised = texts.map(words);
  return {
    blocks: BLOCKS.map(({ groups, least }) => {
      const counts = new Map<string, number>();
      for (const tokens of tokenised)
        for (const feature of new Set(featuresOf(tokens, groups))) counts.set(feature, (counts.get(feature) ?? 0) + 1);
      const kept = [...counts].filter(([, count]) => count >= least);
      return {
        groups,
        features: kept.map(([feature]) => feature),
        idf: kept.map(([, count]) => round((Math.log((1 + texts.length) / (1 + count)) + 1) ** IDF_POWER)),
      };
    }),
  };
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
