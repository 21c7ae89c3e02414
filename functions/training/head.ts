import { Dense, Heap, padded } from './kernels.ts';
import { Random } from './random.ts';

export interface HeadOptions {
  /** Inverse of how strongly weights are pulled to zero, as scikit-learn's LogisticRegression has it. */
  C: number;
  epochs: number;
  /** At least as many steps, however few rows there are. */
  steps: number;
  batch: number;
  rate: number;
}

/** A linear classifier on vectors of length 1. */
export interface Head {
  /** [dimensions, classes] */
  weights: Float32Array<ArrayBuffer>;
  /** [classes] */
  bias: Float32Array<ArrayBuffer>;
}

/**
 * Multinomial logistic regression on `vectors` [rows, dimensions], each of length 1, to `targets` [rows, classes], each with the sum 1:
 * Adam on batches, its rate falling to zero, so that it ends near the one optimum. It sees the vectors centred and scaled, which makes
 * them easy to walk; what comes out takes them as they are.
 */
export function trainHead(
  vectors: Float32Array,
  targets: Float32Array,
  classes: number,
  options: HeadOptions,
  seed: number,
  progress: (share: number) => void,
): Head {
  const { C, epochs, batch, rate } = options;
  const rows = targets.length / classes;
  const dimensions = vectors.length / rows;
  const [D, N] = [padded(dimensions), padded(classes)];
  const { mean, scale } = centre(vectors, rows, dimensions);
  const heap = new Heap(4 * (4 * (D * N + N) + batch * (D + N)) + 1e6);
  const weights = new Dense(heap, D * N);
  const bias = new Dense(heap, N);
  const x = heap.floats(batch * D);
  const logits = heap.floats(batch * N);
  // In terms of the weights on the vectors as they are: those here are smaller by the scale.
  const decay = scale ** 2 / (C * rows);
  const random = new Random(seed);
  const order = Int32Array.from({ length: rows }, (_, index) => index);
  const steps = Math.max(options.steps, epochs * Math.ceil(rows / batch));
  let from = rows;
  for (let step = 0; step < steps; step += 1) {
    if (from >= rows) {
      random.shuffle(order);
      from = 0;
    }
    const chosen = order.subarray(from, from + batch);
    from += batch;
    for (const [b, row] of chosen.entries()) {
      for (let d = 0; d < dimensions; d += 1) x[b * D + d] = (vectors[row * dimensions + d]! - mean[d]!) * scale;
      logits.set(bias.w, b * N);
    }
    heap.run.gemm(x.at, D * 4, 4, weights.w.at, N * 4, logits.at, N * 4, chosen.length, D, N);
    for (const [b, row] of chosen.entries()) {
      let top = Number.NEGATIVE_INFINITY;
      let sum = 0;
      for (let c = 0; c < classes; c += 1) top = Math.max(top, logits[b * N + c]!);
      for (let c = 0; c < classes; c += 1) sum += Math.exp(logits[b * N + c]! - top);
      for (let c = 0; c < N; c += 1) {
        const place = b * N + c;
        const error =
          c < classes ? (Math.exp(logits[place]! - top) / sum - targets[row * classes + c]!) / chosen.length : 0;
        logits[place] = error;
        bias.g[c]! += error;
      }
    }
    heap.run.axpy(decay, weights.w.at, weights.g.at, D * N);
    heap.run.gemm(x.at, 4, D * 4, logits.at, N * 4, weights.g.at, N * 4, D, chosen.length, N);
    const pace = rate * (1 - step / steps);
    weights.update(pace);
    bias.update(pace);
    if (step % 100 === 0) progress(step / steps);
  }
  const head: Head = { weights: new Float32Array(dimensions * classes), bias: bias.w.slice(0, classes) };
  for (let d = 0; d < dimensions; d += 1)
    for (let c = 0; c < classes; c += 1) {
      const weight = weights.w[d * N + c]! * scale;
      head.weights[d * classes + c] = weight;
      head.bias[c]! -= weight * mean[d]!;
    }
  return head;
}

/** Logits [rows, classes] of vectors of length 1. */
export function headLogits(vectors: Float32Array, { weights, bias }: Head): Float32Array {
  const classes = bias.length;
  const dimensions = weights.length / classes;
  const rows = vectors.length / dimensions;
  const logits = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row += 1) {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    own.set(bias);
    for (let d = 0; d < dimensions; d += 1) {
      const value = vectors[row * dimensions + d]!;
      for (let c = 0; c < classes; c += 1) own[c]! += value * weights[d * classes + c]!;
    }
  }
  return logits;
}

/** The mean of the rows, and what brings their deviation from it to 1. */
function centre(vectors: Float32Array, rows: number, dimensions: number): { mean: Float32Array; scale: number } {
  const mean = new Float32Array(dimensions);
  for (let row = 0; row < rows; row += 1)
    for (let d = 0; d < dimensions; d += 1) mean[d]! += vectors[row * dimensions + d]! / rows;
  let square = 0;
  for (let row = 0; row < rows; row += 1)
    for (let d = 0; d < dimensions; d += 1) square += (vectors[row * dimensions + d]! - mean[d]!) ** 2;
  return { mean, scale: 1 / Math.sqrt(square / vectors.length || 1) };
}
