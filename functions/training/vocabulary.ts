import {
  END,
  featuresOf,
  type Group,
  START,
  subwordsOf,
  type Vocabulary,
} from '../../inference-container/tasks/ngrams.ts';

/** idf to this power: between counting every feature alike (0) and trusting rare ones most (1). */
const IDF_POWER = 0.5;

/** What of the utterances becomes a feature. */
export interface Features {
  /** How many utterances must have a word, an n-gram of a word, a sparse feature. */
  least: { word: number; gram: number; feature: number };
  /** Sparse features; each block has length 1 in a text. */
  blocks: Group[][];
}

/** The features of the training utterances, in the order in which they are first seen. */
export function buildVocabulary(utterances: string[][], { least, blocks }: Features): Vocabulary {
  const total = utterances.length;
  const idf = (count: number) => (Math.log((1 + total) / (1 + count)) + 1) ** IDF_POWER;
  const grams = counted(utterances, (words) => words.flatMap(subwordsOf));
  const known = [...grams].filter(([gram, count]) => count >= (gram.startsWith('w ') ? least.word : least.gram));
  const words = counted(utterances, (tokens) => tokens);
  return {
    subwords: [START, END, ...known.map(([gram]) => gram)],
    wordWeights: Object.fromEntries([...words].map(([word, count]) => [word, round(idf(count))])),
    unknownWeight: round(idf(0)),
    blocks: blocks.map((groups) => {
      const kept = [...counted(utterances, (tokens) => featuresOf(tokens, groups))].filter(
        ([, count]) => count >= least.feature,
      );
      return { groups, features: kept.map(([feature]) => feature), idf: kept.map(([, count]) => round(idf(count))) };
    }),
  };
}

/** In how many utterances each feature stands. */
function counted(utterances: string[][], features: (words: string[]) => string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const words of utterances)
    for (const feature of new Set(features(words))) counts.set(feature, (counts.get(feature) ?? 0) + 1);
  return counts;
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
