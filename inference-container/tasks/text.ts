import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import type { Manifest } from '../models/manifest.ts';
import { type Encoded, NgramEncoder, READ_LIMIT, vocabulary } from './ngrams.ts';
import { InvalidRow, type RowTask, type Runner } from './task.ts';
import { openTokenizer, tokenFeeds } from './tokenizer.ts';

/** Characters of one text. */
const TEXT_LIMIT = 20_000;

/** How a task that takes texts reads them: one string a row. */
export const textRows: Pick<RowTask, 'inputs' | 'fromInstance' | 'fromTensors'> = {
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
  fromInstance: (instance) => text(instance),
  fromTensors: ({ text: given }) => ((given?.data ?? []) as unknown[]).map(text),
};

function text(given: unknown): string {
  if (typeof given !== 'string') throw new InvalidRow('an instance must be a string');
  if (given.length > TEXT_LIMIT) throw new InvalidRow(`an instance has more than ${TEXT_LIMIT} characters`);
  if (!given.isWellFormed()) throw new InvalidRow('an instance is not well-formed Unicode');
  return given;
}

/** What a text becomes in front of a model with n-grams: n-grams, and the tokens of each encoder that is in it. */
interface Prepared {
  ngrams: Encoded;
  tokens: number[][];
}

/**
 * Makes what a model takes of texts, as its manifest says: what {@link ngramFeeds} makes (n-grams), or `input_ids`, `attention_mask`
 * and, where it has it, `token_type_ids` (tokenizer).
 */
export async function textEncoder(
  { task, preprocessing }: Manifest,
  folder: string,
  inputs: readonly string[],
): Promise<Pick<Runner, 'prepare' | 'feeds'>> {
  if (preprocessing?.kind === 'ngrams') {
    const file = await readFile(join(folder, preprocessing.vocabulary), 'utf8');
    const ngrams = new NgramEncoder(vocabulary.parse(JSON.parse(file)));
    const encoders = await Promise.all(preprocessing.encoders.map((one) => openTokenizer(folder, one)));
    return {
      prepare: (row): Prepared => ({
        ngrams: ngrams.encode(row as string),
        // A tokenizer takes as long for what is cut off behind it.
        tokens: encoders.map((tokenize) => tokenize((row as string).slice(0, READ_LIMIT))),
      }),
      feeds: (prepared) => {
        const rows = prepared as Prepared[];
        const feeds = ngramFeeds(rows.map((row) => row.ngrams));
        for (const at of encoders.keys())
          Object.assign(
            feeds,
            tokenFeeds(
              rows.map(({ tokens }) => tokens[at]!),
              inputs,
              encoderPrefix(at),
            ),
          );
        // Only what the model takes: a member without weight is not in it.
        return Object.fromEntries(Object.entries(feeds).filter(([name]) => inputs.includes(name)));
      },
    };
  }
  if (preprocessing?.kind === 'tokenizer') {
    const tokenize = await openTokenizer(folder, { ...preprocessing, configuration: 'tokenizer_config.json' });
    return {
      prepare: (row) => tokenize(row as string),
      feeds: (prepared) => tokenFeeds(prepared as number[][], inputs),
    };
  }
  throw new Error(`${task} needs preprocessing of kind "ngrams" or "tokenizer"`);
}

/** What stands before the names of an encoder's inputs in a model that holds it. */
export const encoderPrefix = (index: number): string => `encoder_${index}.`;

/**
 * A batch of encoded texts as tensors: `grams` int32[batch, places, n-grams], `lengths` int32[batch] (places of each text),
 * `word_weights` float[batch, places], `ids` int32[batch, features] and `weights` float[batch, features]; 0 fills up.
 */
export function ngramFeeds(rows: Encoded[]): Record<string, Tensor> {
  const batch = rows.length;
  let [places, most, features] = [0, 1, 1];
  for (const row of rows) {
    places = Math.max(places, row.grams.length);
    features = Math.max(features, row.ids.length);
    for (const own of row.grams) most = Math.max(most, own.length);
  }
  const grams = new Int32Array(batch * places * most);
  const wordWeights = new Float32Array(batch * places);
  const ids = new Int32Array(batch * features);
  const weights = new Float32Array(batch * features);
  const lengths = Int32Array.from(rows, (row) => row.grams.length);
  for (const [index, row] of rows.entries()) {
    for (const [place, own] of row.grams.entries()) grams.set(own, (index * places + place) * most);
    wordWeights.set(row.wordWeights, index * places);
    ids.set(row.ids, index * features);
    weights.set(row.weights, index * features);
  }
  return {
    grams: new Tensor('int32', grams, [batch, places, most]),
    lengths: new Tensor('int32', lengths, [batch]),
    word_weights: new Tensor('float32', wordWeights, [batch, places]),
    ids: new Tensor('int32', ids, [batch, features]),
    weights: new Tensor('float32', weights, [batch, features]),
  };
}
