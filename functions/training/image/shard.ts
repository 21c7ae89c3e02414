import { parentPort, workerData } from 'node:worker_threads';
import { Random } from '../random.ts';
import { Network, type Shape, type TrainedNetwork } from './network.ts';
import type { ImageRecipe } from './recipe.ts';

/**
 * A part of every batch, trained in a thread of its own. All parts have the same weights: each step their gradients are added in the order of
 * the parts and taken by each for itself, so that the same seed gives the same bits on any number of cores.
 */
export interface ShardData {
  shape: Shape;
  recipe: ImageRecipe;
  seed: number;
  /** Which part this is, of how many. */
  place: number;
  shards: number;
  /** [pictures, side, side, channels], and the class of each. */
  pixels: Uint8Array<SharedArrayBuffer>;
  labels: Int32Array<SharedArrayBuffer>;
  /** What is of no class, in the same shape. */
  outside: Uint8Array<SharedArrayBuffer>;
  mean: number;
  deviation: number;
  /** Of the gradients, two for each part in turns; and of the barrier. */
  shared: Float32Array<SharedArrayBuffer>;
  barrier: Int32Array<SharedArrayBuffer>;
}

export type ShardMessage = { share: number; loss: number } | { network: TrainedNetwork };

/** Parts of a batch. More would be no faster on two cores, and fewer no slower on one. */
export const SHARDS = 2;
const SAID_EVERY = 20;

export function gradientLength(shape: Shape): number {
  const network = new Network(shape, 1, 1, new Random(1));
  return [...network.gradients(), ...network.statistics()].reduce((sum, { length }) => sum + length, 0);
}

function train(data: ShardData, post: (message: ShardMessage) => void): void {
  const { shape, recipe, seed, place, shards, pixels, labels, outside, mean, deviation } = data;
  const { side, channels, classes } = shape;
  const { epochs, batch, flip, shift, smoothing, rate, rise, decay, dropHidden } = recipe;
  const size = side * side * channels;
  const total = labels.length;
  const strange = outside.length / size;
  const part = Math.max(2, Math.ceil(batch / shards));
  const others = strange > 0 ? Math.min(part - 1, Math.round(part * recipe.outside)) : 0;
  const own = part - others;
  const random = new Random(seed * 1_000 + 100 + place);
  const network = new Network(shape, part, seed * 1_000, random);
  // Of all parts alike.
  const shuffling = new Random(seed * 1_000 + 1);
  const order = Int32Array.from({ length: total }, (_, index) => index);
  const steps = epochs * Math.ceil(total / (own * shards));
  const value = Float32Array.from({ length: 256 }, (_, pixel) => (pixel / 255 - mean) / deviation);
  const blank = value[0]!;
  let [step, lost, since] = [0, 0, 0];
  const write = (at: number, from: Uint8Array, picture: number) => {
    const isMirrored = flip && random.next() < 0.5;
    const down = shift > 0 ? random.below(2 * shift + 1) - shift : 0;
    const right = shift > 0 ? random.below(2 * shift + 1) - shift : 0;
    const start = picture * size;
    network.write(at, (row, column, channel) => {
      const [r, c] = [row + down, (isMirrored ? side - 1 - column : column) + right];
      if (r < 0 || r >= side || c < 0 || c >= side) return blank;
      return value[from[start + (r * side + c) * channels + channel]!]!;
    });
  };
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    shuffling.shuffle(order);
    for (let from = 0; from < total; from += own * shards) {
      const whole = order.subarray(from, from + own * shards);
      const mine = whole.filter((_, index) => index % shards === place);
      const targets = new Float32Array((mine.length + others) * classes).fill(1 / classes);
      for (const [at, picture] of mine.entries()) {
        write(at, pixels, picture);
        targets.fill(smoothing / classes, at * classes, (at + 1) * classes);
        targets[at * classes + labels[picture]!]! += 1 - smoothing;
      }
      for (let at = 0; at < others; at += 1) write(mine.length + at, outside, random.below(strange));
      const count = mine.length + others;
      const loss = count > 0 ? network.step(count, targets, whole.length + others * shards, { dropHidden }) : 0;
      exchange(network, data, step);
      network.update({ rate: rate * pace(step / steps, rise), decay });
      step += 1;
      [lost, since] = [lost + loss / Math.max(1, count), since + 1];
      if (step % SAID_EVERY !== 0) continue;
      post({ share: step / steps, loss: lost / since });
      [lost, since] = [0, 0];
    }
  }
  post({ share: 1, loss: 0 });
  if (place === 0) post({ network: network.trained });
}

/** Rises as a cosine, and falls as one. */
function pace(share: number, rise: number): number {
  const at = share < rise ? 1 - share / rise : (share - rise) / (1 - rise);
  return (1 + Math.cos(Math.PI * at)) / 2;
}

/** Each part's gradients become the sum of all, and its statistics their mean. */
function exchange(network: Network, { shared, barrier, place, shards }: ShardData, step: number): void {
  const [gradients, statistics] = [network.gradients(), network.statistics()];
  const length = shared.length / (2 * shards);
  // Two in turns: whoever is slow still reads the one while the other is written.
  const base = (step % 2) * shards * length;
  let at = base + place * length;
  for (const array of [...gradients, ...statistics]) {
    shared.set(array, at);
    at += array.length;
  }
  wait(barrier, shards);
  at = base;
  for (const [index, array] of [...gradients, ...statistics].entries()) {
    const scale = index < gradients.length ? 1 : 1 / shards;
    for (let k = 0; k < array.length; k += 1) {
      let sum = 0;
      for (let part = 0; part < shards; part += 1) sum += shared[at + part * length + k]!;
      array[k] = sum * scale;
    }
    at += array.length;
  }
}

/** Until all parts are here. */
function wait(barrier: Int32Array<SharedArrayBuffer>, shards: number): void {
  const round = Atomics.load(barrier, 1);
  if (Atomics.add(barrier, 0, 1) === shards - 1) {
    Atomics.store(barrier, 0, 0);
    Atomics.add(barrier, 1, 1);
    Atomics.notify(barrier, 1);
    return;
  }
  while (Atomics.load(barrier, 1) === round) Atomics.wait(barrier, 1, round, 1_000);
}

if (parentPort && workerData?.barrier) {
  const port = parentPort;
  train(workerData as ShardData, (message) => port.postMessage(message));
}
