import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import type { Manifest } from '../models/manifest.ts';
import { classificationOutputs, classify, toTensors } from './classification.ts';
import { type Encoded, NgramEncoder, vocabulary } from './ngrams.ts';
import { InvalidRow, type RowTask, type Runner } from './task.ts';

/** Characters of one text. */
const TEXT_LIMIT = 20_000;

/**
 * Strings in, a label with its score out. Models take what {@link ngramFeeds} makes (n-grams), or `input_ids`, `attention_mask`
 * and, where they have it, `token_type_ids` (tokenizer), and give probabilities[batch, classes].
 */
export const textClassification: RowTask = {
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
  outputs: classificationOutputs,
  fromInstance: (instance) => text(instance),
  fromTensors: ({ text: given }) => ((given?.data ?? []) as unknown[]).map(text),
  toTensors,
  async createRunner(manifest, folder, inputs) {
    const { labels, threshold } = manifest;
    const encode = await encoder(manifest, folder, inputs);
    return { ...encode, results: (outputs, rows) => classify(outputs, rows, labels, threshold) };
  },
};

function text(given: unknown): string {
  if (typeof given !== 'string') throw new InvalidRow('an instance must be a string');
  if (given.length > TEXT_LIMIT) throw new InvalidRow(`an instance has more than ${TEXT_LIMIT} characters`);
  if (!given.isWellFormed()) throw new InvalidRow('an instance is not well-formed Unicode');
  return given;
}

async function encoder(
  { preprocessing }: Manifest,
  folder: string,
  inputs: readonly string[],
): Promise<Pick<Runner, 'prepare' | 'feeds'>> {
  const read = async (file: string) => JSON.parse(await readFile(join(folder, file), 'utf8')) as object;
  if (preprocessing?.kind === 'ngrams') {
    const ngrams = new NgramEncoder(vocabulary.parse(await read(preprocessing.vocabulary)));
    return {
      prepare: (row) => ngrams.encode(row as string),
      feeds: (prepared) => ngramFeeds(prepared as Encoded[]),
    };
  }
  if (preprocessing?.kind === 'tokenizer') {
    const { Tokenizer } = await import('@huggingface/tokenizers');
    const definition = (await read(preprocessing.tokenizer)) as Definition;
    const configuration = await read('tokenizer_config.json').catch(() => ({}));
    // The library takes the unknown token of whole words from the other file alone, and knows words of ASCII only.
    const unknown = definition.model?.unk_token;
    const tokenizer = new Tokenizer(withUnicodeWords(definition), {
      ...configuration,
      ...(unknown === undefined ? {} : { unk_token: unknown }),
    });
    const special = tokenizer.encode('').ids.length;
    return {
      prepare(row) {
        const ids: number[] = tokenizer.encode(row as string).ids;
        const beyond = ids.length - preprocessing.maxTokens;
        if (beyond <= 0) return ids;
        // As Hugging Face truncates: the text is cut, and the special tokens stay.
        const own: number[] = tokenizer.encode(row as string, { add_special_tokens: false }).ids;
        const first = ids.findIndex((_, at) => own.every((id, offset) => ids[at + offset] === id));
        const kept = Math.max(0, preprocessing.maxTokens - special);
        return [...ids.slice(0, first), ...own.slice(0, kept), ...ids.slice(first + own.length)];
      },
      feeds: (prepared) => {
        const rows = prepared as number[][];
        const { data, width } = padded(rows);
        const mask = BigInt64Array.from({ length: data.length }, (_, at) =>
          at % width < rows[Math.floor(at / width)]!.length ? 1n : 0n,
        );
        const shape = [rows.length, width];
        const feeds = {
          input_ids: new Tensor('int64', data, shape),
          attention_mask: new Tensor('int64', mask, shape),
          token_type_ids: new Tensor('int64', new BigInt64Array(data.length), shape),
        };
        return Object.fromEntries(Object.entries(feeds).filter(([name]) => inputs.includes(name)));
      },
    };
  }
  throw new Error('text-classification needs preprocessing of kind "ngrams" or "tokenizer"');
}

interface Definition {
  pre_tokenizer?: Component | null;
  model?: { unk_token?: string };
}
interface Component {
  type: string;
  pretokenizers?: Component[];
}

/** `Whitespace` as Hugging Face has it, whose words are of any script. */
function withUnicodeWords(definition: Definition): Definition {
  const replace = (given: Component): Component => {
    if (given.type === 'Sequence') return { ...given, pretokenizers: (given.pretokenizers ?? []).map(replace) };
    if (given.type !== 'Whitespace') return given;
    return { type: 'Split', pattern: { Regex: '\\w+|[^\\w\\s]+' }, behavior: 'Removed', invert: true } as Component;
  };
  return definition.pre_tokenizer ? { ...definition, pre_tokenizer: replace(definition.pre_tokenizer) } : definition;
}

/** Rows of ids, filled with 0 to the longest. */
function padded(rows: number[][]): { data: BigInt64Array; width: number } {
  const width = rows.reduce((widest, row) => Math.max(widest, row.length), 1);
  const data = new BigInt64Array(rows.length * width);
  rows.forEach((row, index) => {
    for (let at = 0; at < row.length; at += 1) data[index * width + at] = BigInt(row[at]!);
  });
  return { data, width };
}

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
