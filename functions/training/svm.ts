import { Heap, padded } from './kernels.ts';
import { Random } from './random.ts';

/** Sparse rows, one after the other: row r has the entries from start[r] to start[r + 1]. */
export interface SparseRows {
  start: Int32Array;
  ids: Int32Array;
  weights: Float32Array;
}

export interface SvmOptions {
  C: number;
  passes: number;
  /** How much more an error on the own class costs. */
  positive: number;
}

export interface Svm {
  classes: number;
  /** Floats from one row to the next. */
  stride: number;
  /** [features, classes] */
  table: Float32Array<ArrayBuffer>;
  bias: Float32Array<ArrayBuffer>;
}

/**
 * Linear SVM, one against the rest, squared hinge loss, by dual coordinate descent (Hsieh et al. 2008). All classes are
 * updated together: a row of the table holds one feature's weight for every class. Label −1 belongs to no class.
 */
export function trainSvm(
  rows: SparseRows,
  labels: Int32Array,
  classes: number,
  features: number,
  options: SvmOptions,
  seed: number,
): Svm {
  const { C, passes, positive } = options;
  const stride = padded(classes);
  const count = rows.start.length - 1;
  const random = new Random(seed);
  let longest = 1;
  for (let row = 0; row < count; row += 1) longest = Math.max(longest, rows.start[row + 1]! - rows.start[row]! + 1);
  const heap = new Heap((features + 1) * stride * 4 + count * stride * 4 + longest * 8 + 1e6);
  const { run } = heap;
  const table = heap.floats((features + 1) * stride);
  const alpha = heap.floats(count * stride);
  const score = heap.floats(stride);
  const delta = heap.floats(stride);
  const ids = heap.ints(longest);
  const weights = heap.floats(longest);
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let pass = 0; pass < passes; pass += 1) {
    random.shuffle(order);
    for (const row of order) {
      const from = rows.start[row]!;
      const size = rows.start[row + 1]! - from;
      let norm = 1;
      for (let k = 0; k < size; k += 1) {
        ids[k] = rows.ids[from + k]!;
        weights[k] = rows.weights[from + k]!;
        norm += weights[k]! ** 2;
      }
      // The constant feature: its row is the bias.
      ids[size] = features;
      weights[size] = 1;
      score.fill(0);
      run.gather(ids.at, weights.at, size + 1, table.at, stride, score.at);
      let moved = false;
      for (let label = 0; label < classes; label += 1) {
        const sign = label === labels[row] ? 1 : -1;
        const diagonal = 1 / (2 * C * (sign > 0 ? positive : 1));
        const place = row * stride + label;
        const before = alpha[place]!;
        const after = Math.max(0, before - (sign * score[label]! - 1 + diagonal * before) / (norm + diagonal));
        delta[label] = sign * (after - before);
        if (after === before) continue;
        alpha[place] = after;
        moved = true;
      }
      if (moved) run.scatter(ids.at, weights.at, size + 1, table.at, stride, delta.at);
    }
  }
  const bias = table.slice(features * stride, features * stride + classes);
  return { classes, stride, table: table.slice(0, features * stride), bias };
}
