import type { Sparse } from '../../inference-container/tasks/ngrams.ts';
import { Random } from './random.ts';

/**
 * Bag of n-gram vectors → tanh → softmax. Row-wise Adagrad on the vectors, Adam on the rest, learning rates falling to
 * zero; features and hidden units dropped at random; targets smoothed. Label −1 (out of scope) has a uniform target.
 */
export interface BagOptions {
  units: number;
  epochs: number;
  batch: number;
  vectorRate: number;
  rate: number;
  dropFeatures: number;
  dropHidden: number;
  smoothing: number;
}

export const bagDefaults: BagOptions = {
  units: 64,
  epochs: 60,
  batch: 32,
  vectorRate: 0.1,
  rate: 0.002,
  dropFeatures: 0.3,
  dropHidden: 0.2,
  smoothing: 0.1,
};

export interface Bag {
  units: number;
  classes: number;
  /** [features, units]; row 0 is zero: no feature. */
  vectors: Float32Array;
  hiddenBias: Float32Array;
  /** [units, classes] */
  weights: Float32Array;
  bias: Float32Array;
}

export function trainBag(
  rows: Sparse[],
  labels: Int32Array,
  features: number,
  classes: number,
  options: BagOptions,
  seed: number,
  progress: (share: number) => void,
): Bag {
  const { units, epochs, batch } = options;
  const random = new Random(seed);
  const vectors = new Float32Array(features * units);
  for (let i = units; i < vectors.length; i += 1) vectors[i] = 0.05 * random.normal();
  const history = new Float32Array(features).fill(1e-8);
  const weights = new Adam(units * classes, () => random.normal() / Math.sqrt(units));
  const bias = new Adam(classes);
  const hiddenBias = new Adam(units);
  const hidden = new Float32Array(units);
  const mask = new Float32Array(units);
  const back = new Float32Array(units);
  const scores = new Float64Array(classes);
  const order = Int32Array.from(rows.keys());
  const keep = 1 - options.dropFeatures;
  const keepHidden = 1 - options.dropHidden;
  const steps = epochs * Math.ceil(rows.length / batch);
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    random.shuffle(order);
    for (let from = 0; from < order.length; from += batch) {
      const size = Math.min(batch, order.length - from);
      const pace = 1 - step / steps;
      for (let b = 0; b < size; b += 1) {
        const row = order[from + b]!;
        const kept = dropped(rows[row]!, keep, random);
        forward(kept, vectors, hiddenBias.value, units, hidden);
        for (let h = 0; h < units; h += 1) mask[h] = random.next() < keepHidden ? 1 / keepHidden : 0;
        softmax(hidden, mask, weights.value, bias.value, scores);
        const label = labels[row]!;
        back.fill(0);
        for (let c = 0; c < classes; c += 1) {
          const target =
            label < 0 ? 1 / classes : (c === label ? 1 - options.smoothing : 0) + options.smoothing / classes;
          const gradient = (scores[c]! - target) / size;
          bias.gradient[c]! += gradient;
          for (let h = 0, at = c; h < units; h += 1, at += classes) {
            back[h]! += gradient * weights.value[at]!;
            weights.gradient[at]! += gradient * hidden[h]! * mask[h]!;
          }
        }
        let square = 0;
        for (let h = 0; h < units; h += 1) {
          back[h]! *= mask[h]! * (1 - hidden[h]! ** 2);
          hiddenBias.gradient[h]! += back[h]!;
          square += back[h]! ** 2;
        }
        kept.ids.forEach((id, index) => {
          const weight = kept.weights[index]!;
          history[id]! += (weight * weight * square) / units;
          const factor = (options.vectorRate * pace * weight) / Math.sqrt(history[id]!);
          for (let h = 0, at = id * units; h < units; h += 1, at += 1) vectors[at]! -= factor * back[h]!;
        });
      }
      for (const parameter of [weights, bias, hiddenBias]) parameter.update(options.rate * pace);
      step += 1;
    }
    progress((epoch + 1) / epochs);
  }
  return { units, classes, vectors, hiddenBias: hiddenBias.value, weights: weights.value, bias: bias.value };
}

/** Probabilities of one row, as the exported model computes them. `temperature` divides the logits. */
export function probabilities(bag: Bag, row: Sparse, temperature: number): Float64Array {
  const hidden = new Float32Array(bag.units);
  forward(row, bag.vectors, bag.hiddenBias, bag.units, hidden);
  const scores = new Float64Array(bag.classes);
  softmax(hidden, null, bag.weights, bag.bias, scores, temperature);
  return scores;
}

function dropped(row: Sparse, keep: number, random: Random): Sparse {
  const ids: number[] = [];
  const weights: number[] = [];
  row.ids.forEach((id, index) => {
    if (random.next() >= keep) return;
    ids.push(id);
    weights.push(row.weights[index]! / keep);
  });
  return { ids, weights };
}

function forward(
  { ids, weights }: Sparse,
  vectors: Float32Array,
  bias: Float32Array,
  units: number,
  hidden: Float32Array,
): void {
  hidden.set(bias);
  for (let k = 0; k < ids.length; k += 1) {
    const weight = weights[k]!;
    for (let h = 0, at = ids[k]! * units; h < units; h += 1, at += 1) hidden[h]! += weight * vectors[at]!;
  }
  for (let h = 0; h < units; h += 1) hidden[h] = Math.tanh(hidden[h]!);
}

function softmax(
  hidden: Float32Array,
  mask: Float32Array | null,
  weights: Float32Array,
  bias: Float32Array,
  scores: Float64Array,
  temperature = 1,
) {
  const classes = bias.length;
  scores.set(bias);
  for (let h = 0; h < hidden.length; h += 1) {
    const value = hidden[h]! * (mask ? mask[h]! : 1);
    if (value === 0) continue;
    for (let c = 0, at = h * classes; c < classes; c += 1, at += 1) scores[c]! += value * weights[at]!;
  }
  let top = -Infinity;
  for (const score of scores) top = Math.max(top, score);
  let sum = 0;
  for (let c = 0; c < classes; c += 1) {
    scores[c] = Math.exp((scores[c]! - top) / temperature);
    sum += scores[c]!;
  }
  for (let c = 0; c < classes; c += 1) scores[c]! /= sum;
}

/** A dense parameter with Adam's moments. */
class Adam {
  readonly value: Float32Array;
  readonly gradient: Float32Array;
  readonly #mean: Float32Array;
  readonly #square: Float32Array;
  #step = 0;

  constructor(length: number, initial: () => number = () => 0) {
    this.value = Float32Array.from({ length }, initial);
    this.gradient = new Float32Array(length);
    this.#mean = new Float32Array(length);
    this.#square = new Float32Array(length);
  }

  update(rate: number): void {
    this.#step += 1;
    const corrected = (rate * Math.sqrt(1 - 0.999 ** this.#step)) / (1 - 0.9 ** this.#step);
    for (let i = 0; i < this.value.length; i += 1) {
      const gradient = this.gradient[i]!;
      this.#mean[i] = 0.9 * this.#mean[i]! + 0.1 * gradient;
      this.#square[i] = 0.999 * this.#square[i]! + 0.001 * gradient * gradient;
      this.value[i]! -= (corrected * this.#mean[i]!) / (Math.sqrt(this.#square[i]!) + 1e-8);
      this.gradient[i] = 0;
    }
  }
}
