import { z } from 'zod';

/**
 * Text to sparse n-gram features: words, word pairs and characters. Knows no language: Hangul and Han words are cut into
 * 1–3 signs, others into 3–5 letters. The trainer (scripts/train) uses this same file, so what was trained is what is served.
 */
const group = z.enum(['words', 'pairs', 'characters']);
export type Group = z.infer<typeof group>;

/** One block of features with its own length: the weights of a text's features in a block have norm 1. */
const block = z.strictObject({
  groups: z.array(group).min(1),
  features: z.array(z.string()),
  idf: z.array(z.number()),
});

export const vocabulary = z.strictObject({ blocks: z.array(block).min(1) });
export type Vocabulary = z.infer<typeof vocabulary>;

/** Characters of a text that are read; what follows adds cost and no meaning. */
const TEXT_LIMIT = 2_000;

const TOKEN = /[\p{L}\p{M}\p{N}]+|\p{Extended_Pictographic}/gu;
const SYLLABIC = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;

/** Lower-case words; apostrophes vanish ("what's" = "whats"), other punctuation separates, emoji are words. */
export function words(text: string): string[] {
  const plain = text.slice(0, TEXT_LIMIT).normalize('NFKC').toLowerCase().replace(/['’`]/g, '');
  return plain.match(TOKEN) ?? [];
}

const groups: Record<Group, (words: string[]) => string[]> = {
  words: (words) => words.map((word) => `w ${word}`),
  pairs: (words) => [...words, '>'].map((word, index) => `p ${words[index - 1] ?? '<'} ${word}`),
  characters: (words) => words.flatMap(characters),
};

/** The features of one block, repeated as often as they occur. */
export function featuresOf(words: string[], names: readonly Group[]): string[] {
  return names.flatMap((name) => groups[name](words));
}

function characters(word: string): string[] {
  const signs = [...`<${word.slice(0, 40)}>`];
  const [shortest, longest] = SYLLABIC.test(word) ? [1, 3] : [3, 5];
  const grams: string[] = [];
  for (let length = shortest; length <= Math.min(longest, signs.length); length += 1)
    for (let start = 0; start + length <= signs.length; start += 1) {
      const gram = signs.slice(start, start + length).join('');
      if (gram !== '<' && gram !== '>') grams.push(`c ${gram}`);
    }
  return grams;
}

export interface Sparse {
  /** Feature ids; 0 stands for none. */
  ids: number[];
  weights: number[];
}

/** Encodes texts by a vocabulary. */
export class NgramEncoder {
  readonly #blocks: { groups: readonly Group[]; ids: Map<string, number>; idf: number[]; base: number }[] = [];
  /** Features in all, and the 0 that stands for none. */
  readonly size: number;

  constructor({ blocks }: Vocabulary) {
    let base = 1;
    for (const { groups, features, idf } of blocks) {
      const first = base;
      const ids = new Map(features.map((feature, index) => [feature, first + index] as const));
      this.#blocks.push({ groups, ids, idf, base });
      base += features.length;
    }
    this.size = base;
  }

  /** Feature ids with weights √count · idf, each block of norm 1. */
  encode(text: string): Sparse {
    const ids: number[] = [];
    const weights: number[] = [];
    const tokens = words(text);
    for (const block of this.#blocks) {
      const counts = new Map<number, number>();
      for (const feature of featuresOf(tokens, block.groups)) {
        const id = block.ids.get(feature);
        if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      const from = ids.length;
      let square = 0;
      for (const [id, count] of counts) {
        const weight = Math.sqrt(count) * (block.idf[id - block.base] ?? 0);
        ids.push(id);
        weights.push(weight);
        square += weight * weight;
      }
      const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
      for (let index = from; index < weights.length; index += 1) weights[index]! *= scale;
    }
    return { ids, weights };
  }
}
