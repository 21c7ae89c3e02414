import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { NgramEncoder, vocabulary } from './ngrams.ts';
import { InvalidRow, type TaskFactory } from './task.ts';

export interface Classification {
  /** `none` below the threshold. */
  label: string;
  score: number;
  /** The likeliest labels, best first, whatever the threshold. */
  top: { label: string; score: number }[];
}

/** Characters of one instance. */
const TEXT_LIMIT = 20_000;
const TOP = 5;
const NONE = 'none';

/** Strings in, a label with its score out. The model takes `ids` and `weights` and gives `probabilities`. */
export const textClassification: TaskFactory<string, Classification> = async (manifest, folder) => {
  if (manifest.preprocessing?.kind !== 'ngrams')
    throw new Error('text-classification needs preprocessing of kind "ngrams"');
  const file = await readFile(join(folder, manifest.preprocessing.vocabulary), 'utf8');
  const encoder = new NgramEncoder(vocabulary.parse(JSON.parse(file)));
  const { labels, threshold } = manifest;
  return {
    check(row) {
      if (typeof row !== 'string') throw new InvalidRow('an instance must be a string');
      if (row.length > TEXT_LIMIT) throw new InvalidRow(`an instance has more than ${TEXT_LIMIT} characters`);
      if (!row.isWellFormed()) throw new InvalidRow('an instance is not well-formed Unicode');
      return row;
    },
    prepare(rows) {
      const encoded = rows.map((row) => encoder.encode(row));
      const longest = Math.max(1, ...encoded.map(({ ids }) => ids.length));
      const ids = new BigInt64Array(rows.length * longest);
      const weights = new Float32Array(rows.length * longest);
      encoded.forEach((row, index) => {
        row.ids.forEach((id, position) => {
          ids[index * longest + position] = BigInt(id);
          weights[index * longest + position] = row.weights[position]!;
        });
      });
      const shape = [rows.length, longest];
      return { ids: new Tensor('int64', ids, shape), weights: new Tensor('float32', weights, shape) };
    },
    finish(outputs, rows) {
      const { data, dims } = outputs.probabilities!;
      const classes = dims[1]!;
      return rows.map((_, index) =>
        best(data.slice(index * classes, (index + 1) * classes) as Float32Array, labels, threshold),
      );
    },
  };
};

function best(scores: Float32Array, labels: string[], threshold: number): Classification {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const top = order.slice(0, TOP).map((index) => ({ label: labels[index] ?? String(index), score: scores[index]! }));
  const first = top[0]!;
  return { label: first.score < threshold ? NONE : first.label, score: first.score, top };
}
