import {
  type Encoded,
  type Group,
  NgramEncoder,
  SYLLABIC,
  type Vocabulary,
  words,
} from '../../../inference-container/tasks/ngrams.ts';
import type { Encoder } from '../encoder.ts';
import { type SparseRows, type SvmOptions, trainSvm } from '../svm.ts';
import { buildVocabulary } from '../vocabulary.ts';
import { bm25 } from './bm25.ts';

/** Words and their n-grams, and words' beginnings: what a question and an entry share, however it is inflected. */
const BLOCKS: Group[][] = [['words', 'characters'], ['stems']];
/** How often a feature must stand in what belongs to no entry, to be known where no entry has it. */
const STRANGE = 3;
const SVM: SvmOptions = { C: 0.1, passes: 15, positive: 3 };

/** What tells questions apart: a linear table of n-grams, and one of each encoder's vectors. */
export interface Retriever {
  entries: number;
  stride: number;
  vocabulary: Vocabulary;
  /** SVM, [features, entries], rows `stride` floats apart. */
  table: Float32Array<ArrayBuffer>;
  bias: Float32Array<ArrayBuffer>;
  /** Of the same shape. */
  bm25: Float32Array<ArrayBuffer>;
  /** By feature, whether it is of a syllabic script. */
  syllabic: Float32Array<ArrayBuffer>;
  /** Of each encoder, [dimensions, entries], rows `stride` floats apart. */
  dense: Float32Array<ArrayBuffer>[];
}

/** The texts of one file of questions: `own` belongs to entries, by their places; `strange` to none. */
export interface Texts {
  own: { text: string; entry: number }[];
  strange: string[];
}

/**
 * One linear SVM for each entry against all other texts (those of no entry are the ones that matter: what an intent answers, what
 * nobody does), and BM25 beside it. Encoders' vectors are features of the SVM like any other.
 */
export async function trainRetriever(
  { own, strange }: Texts,
  entries: number,
  encoders: readonly Encoder[],
  seed: number,
): Promise<Retriever> {
  const texts = [...own.map(({ text }) => text), ...strange];
  const vocabulary = known(
    own.map(({ text }) => words(text)),
    strange.map(words),
  );
  const encoder = new NgramEncoder(vocabulary);
  const encoded = texts.map((text) => encoder.encode(text));
  const vectors: Float32Array[] = [];
  for (const one of encoders) vectors.push(await one.vectors(texts));
  const labels = Int32Array.from(texts, (_, index) => own[index]?.entry ?? -1);
  const dimensions = vectors.map((all) => all.length / texts.length);
  const features = encoder.size + dimensions.reduce((sum, count) => sum + count, 0);
  const rows = rowsOf(encoded, vectors, dimensions, encoder.size);
  const { table, bias, stride } = trainSvm(rows, labels, entries, features, SVM, seed);
  const documents: Encoded[][] = Array.from({ length: entries }, () => []);
  for (const [index, { entry }] of own.entries()) documents[entry]!.push(encoded[index]!);
  let from = encoder.size;
  const dense = dimensions.map((count) => {
    const part = table.slice(from * stride, (from + count) * stride);
    from += count;
    return part;
  });
  return {
    entries,
    stride,
    vocabulary,
    table: table.slice(0, encoder.size * stride),
    bias,
    bm25: bm25(documents, idfOf(vocabulary), encoder.size, stride),
    syllabic: Float32Array.from([
      0,
      ...vocabulary.blocks.flatMap(({ features }) => features.map((feature) => Number(SYLLABIC.test(feature)))),
    ]),
    dense,
  };
}

/** A text's scores for every entry: the SVM's, and BM25's. */
export interface Scores {
  svm: Float32Array;
  bm25: Float32Array;
  /** Share of the features of a syllabic script. */
  syllabic: number;
}

export async function scoresOf(
  { entries, stride, vocabulary, table, bias, bm25, syllabic, dense }: Retriever,
  texts: readonly string[],
  encoders: readonly Encoder[],
): Promise<Scores[]> {
  const encoder = new NgramEncoder(vocabulary);
  const vectors: Float32Array[] = [];
  for (const one of encoders) vectors.push(await one.vectors(texts));
  return texts.map((text, row) => {
    const svm = Float32Array.from(bias);
    const beside = new Float32Array(entries);
    const add = (into: Float32Array, from: Float32Array, id: number, weight: number) => {
      for (let entry = 0; entry < entries; entry += 1) into[entry]! += weight * from[id * stride + entry]!;
    };
    const { ids, weights } = encoder.encode(text);
    let [all, own] = [0, 0];
    for (const [index, id] of ids.entries()) {
      all += weights[index]!;
      own += weights[index]! * syllabic[id]!;
      add(svm, table, id, weights[index]!);
      add(beside, bm25, id, weights[index]!);
    }
    for (const [place, part] of dense.entries()) {
      const dimensions = part.length / stride;
      for (let d = 0; d < dimensions; d += 1) add(svm, part, d, vectors[place]![row * dimensions + d]!);
    }
    return { svm, bm25: beside, syllabic: all > 0 ? own / all : 0 };
  });
}

/** The features of the entries, and those that are common in what belongs to none. */
function known(own: string[][], strange: string[][]): Vocabulary {
  const least = { word: 1, gram: Number.POSITIVE_INFINITY, feature: 1 };
  const of = (texts: string[][], feature: number) =>
    buildVocabulary(texts, { least: { ...least, feature }, blocks: BLOCKS });
  const [entries, common] = [of(own, 1), of(strange, STRANGE)];
  const all = of([...own, ...strange], 1);
  const blocks = all.blocks.map(({ groups, features, idf }, index) => {
    const kept = new Set([...entries.blocks[index]!.features, ...common.blocks[index]!.features]);
    const places = features.map((_, place) => place).filter((place) => kept.has(features[place]!));
    return { groups, features: places.map((place) => features[place]!), idf: places.map((place) => idf[place]!) };
  });
  return { subwords: all.subwords.slice(0, 2), wordWeights: {}, unknownWeight: 0, blocks };
}

function idfOf({ blocks }: Vocabulary): (id: number) => number {
  // 0 is no feature.
  const all = [0, ...blocks.flatMap(({ idf }) => idf)];
  return (id) => all[id] ?? 0;
}

function rowsOf(encoded: Encoded[], vectors: Float32Array[], dimensions: number[], size: number): SparseRows {
  const width = dimensions.reduce((sum, count) => sum + count, 0);
  const start = new Int32Array(encoded.length + 1);
  for (const [row, { ids }] of encoded.entries()) start[row + 1] = start[row]! + ids.length + width;
  const ids = new Int32Array(start.at(-1)!);
  const weights = new Float32Array(start.at(-1)!);
  for (const [row, one] of encoded.entries()) {
    let at = start[row]!;
    ids.set(one.ids, at);
    weights.set(one.weights, at);
    at += one.ids.length;
    let from = size;
    for (const [index, count] of dimensions.entries()) {
      for (let d = 0; d < count; d += 1) ids[at + d] = from + d;
      weights.set(vectors[index]!.subarray(row * count, (row + 1) * count), at);
      at += count;
      from += count;
    }
  }
  return { start, ids, weights };
}
