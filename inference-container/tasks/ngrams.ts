import { z } from 'zod';

/**
 * Text to n-gram features: words, word pairs and characters. Knows no language: Hangul and Han words are cut into 1–3
 * signs, others into 3–5 letters. The trainer (functions/training) uses this same file, so what was trained is what is served.
 */
const group = z.enum(['words', 'pairs', 'characters', 'stems', 'stem pairs']);
export type Group = z.infer<typeof group>;

/** Features of one block; their weights in a text are √count · idf, scaled to norm 1. */
const block = z.strictObject({
  groups: z.array(group).min(1),
  features: z.array(z.string()),
  idf: z.array(z.number()),
});

export const vocabulary = z.strictObject({
  /** N-grams of words; an n-gram's id is its place, from 1 on. The first two mark the start and the end of a text. */
  subwords: z.array(z.string()).min(2),
  /** Weights of words in a text's vector: √idf. */
  wordWeights: z.record(z.string(), z.number()),
  unknownWeight: z.number(),
  blocks: z.array(block),
});
export type Vocabulary = z.infer<typeof vocabulary>;

/** Characters of a text that are read, and its words: what follows adds cost and no meaning. */
export const READ_LIMIT = 2_000;
const WORD_LIMIT = 62;
/** The widest filter of a model needs as many places. */
const SHORTEST = 3;

const TOKEN = /[\p{L}\p{M}\p{N}]+|\p{Extended_Pictographic}/gu;
/** Of a script whose signs are syllables or words: cut into other n-grams than letters are. */
export const SYLLABIC = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;

/** Lower-case words; apostrophes vanish ("what's" = "whats"), other punctuation separates, emoji are words. */
export function words(text: string): string[] {
  const plain = text.slice(0, READ_LIMIT).normalize('NFKC').toLowerCase().replace(/['’`]/g, '');
  return (plain.match(TOKEN) ?? []).slice(0, WORD_LIMIT);
}

const groups: Record<Group, (words: string[]) => string[]> = {
  words: (words) => words.map((word) => `w ${word}`),
  pairs: (words) => [...words, '>'].map((word, index) => `p ${words[index - 1] ?? '<'} ${word}`),
  characters: (words) => words.flatMap(characters),
  stems: (words) => words.map((word) => `s ${stem(word)}`),
  'stem pairs': (words) => {
    const stems = [...new Set(words.map(stem))].slice(0, PAIRED_STEMS).sort();
    return stems.flatMap((one, index) => stems.slice(index + 1).map((other) => `t ${one} ${other}`));
  },
};

/** Of stems that are paired, whatever stands between them: pairs grow with their square. */
const PAIRED_STEMS = 24;

/** The beginning of a word, which its forms share: four letters, or two signs of Hangul and Han. */
function stem(word: string): string {
  return [...word.slice(0, 16)].slice(0, SYLLABIC.test(word) ? 2 : 4).join('');
}

/** The features of one block, repeated as often as they occur. */
export function featuresOf(words: string[], names: readonly Group[]): string[] {
  return names.flatMap((name) => groups[name](words));
}

/** A word itself and its character n-grams, each once. */
export function subwordsOf(word: string): string[] {
  return [`w ${word}`, ...new Set(characters(word))];
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

export const START = '<s>';
export const END = '</s>';
/** Bytes of a thread's memory, about, for words that come again: tens of thousands. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** What the cache needs for a word beside its characters and ids. */
const ENTRY_BYTES = 160;
/** Longer ones hardly come again. */
const CACHED_LENGTH = 40;

/** Words to the ids of their n-grams; 0 is none. */
export class Subwords {
  readonly #ids: Map<string, number>;
  readonly #cache = new Map<string, number[]>();
  #cachedBytes = 0;
  /** N-grams, and the 0 that stands for none. */
  readonly size: number;

  constructor(list: readonly string[]) {
    this.#ids = new Map(list.map((gram, index) => [gram, index + 1]));
    this.size = list.length + 1;
  }

  word(word: string): number[] {
    let ids = this.#cache.get(word);
    if (ids) return ids;
    ids = subwordsOf(word)
      .map((gram) => this.#ids.get(gram))
      .filter((id) => id !== undefined);
    if (word.length <= CACHED_LENGTH) this.#keep(word, ids);
    return ids;
  }

  /** Words come from outside: a cache without an end would be a leak. */
  #keep(word: string, ids: number[]): void {
    const bytes = ENTRY_BYTES + 2 * word.length + 8 * ids.length;
    this.#cachedBytes += bytes;
    if (this.#cachedBytes > CACHE_BYTES) {
      this.#cache.clear();
      this.#cachedBytes = bytes;
    }
    // A copy: V8's part of a text keeps the whole of it.
    this.#cache.set(Buffer.from(word, 'utf16le').toString('utf16le'), ids);
  }

  /** The start mark, the words, the end mark; at least as many places as the widest filter needs. */
  sentence(words: string[]): number[][] {
    const sentence = [[1], ...words.map((word) => this.word(word)), [2]];
    while (sentence.length < SHORTEST) sentence.push([]);
    return sentence;
  }
}

export interface Encoded {
  /** For each place of the sentence, the ids of its n-grams. */
  grams: number[][];
  /** For each place, the word's weight in the text's vector; 0 where there is no known n-gram. */
  wordWeights: number[];
  /** Sparse features; 0 is none. */
  ids: number[];
  weights: number[];
}

/** Encodes texts by a vocabulary. */
export class NgramEncoder {
  readonly subwords: Subwords;
  readonly #wordWeights: Map<string, number>;
  readonly #unknownWeight: number;
  readonly #blocks: { groups: readonly Group[]; ids: Map<string, number>; idf: number[]; base: number }[] = [];
  /** Sparse features, and the 0 that stands for none. */
  readonly size: number;

  constructor({ subwords, wordWeights, unknownWeight, blocks }: Vocabulary) {
    this.subwords = new Subwords(subwords);
    this.#wordWeights = new Map(Object.entries(wordWeights));
    this.#unknownWeight = unknownWeight;
    let base = 1;
    for (const { groups, features, idf } of blocks) {
      const first = base;
      const ids = new Map(features.map((feature, index) => [feature, first + index] as const));
      this.#blocks.push({ groups, ids, idf, base });
      base += features.length;
    }
    this.size = base;
  }

  encode(text: string): Encoded {
    return this.encodeWords(words(text));
  }

  encodeWords(tokens: string[]): Encoded {
    const grams = this.subwords.sentence(tokens);
    const wordWeights = grams.map((ids, place) => {
      const word = tokens[place - 1];
      if (word === undefined || ids.length === 0) return 0;
      return this.#wordWeights.get(word) ?? this.#unknownWeight;
    });
    return { grams, wordWeights, ...this.#sparse(tokens) };
  }

  #sparse(tokens: string[]): Pick<Encoded, 'ids' | 'weights'> {
    const ids: number[] = [];
    const weights: number[] = [];
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
