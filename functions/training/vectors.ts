import type { Subwords } from '../../inference-container/tasks/ngrams.ts';
import { Heap, padded } from './kernels.ts';
import { Random } from './random.ts';

export interface VectorOptions {
  dimensions: number;
  epochs: number;
  /** Words on each side, at most. */
  window: number;
  negatives: number;
  rate: number;
}

const DEVIATION = 0.1;
const FREQUENT = 1e-3;
const NOISE = 1 << 18;

/**
 * Self-supervised n-gram vectors: skip-gram with negative sampling over sums of n-grams (Bojanowski et al. 2017), from the
 * training utterances and whatever unlabelled text is given. Returns [n-grams, dimensions] with deviation 0.1.
 */
export function trainVectors(
  subwords: Subwords,
  texts: string[][],
  options: VectorOptions,
  seed: number,
): Float32Array<ArrayBuffer> {
  const dimensions = padded(options.dimensions);
  const random = new Random(seed);
  const { vocabulary, ids, noise, keep } = count(texts);
  const heap = new Heap((subwords.size + vocabulary.length) * dimensions * 4 + 1e6);
  const { run } = heap;
  const table = heap.floats(subwords.size * dimensions);
  const context = heap.floats(Math.max(1, vocabulary.length) * dimensions);
  const hidden = heap.floats(dimensions);
  const gradient = heap.floats(dimensions);
  const grams = heap.ints(4_096);
  const weights = heap.floats(4_096);
  const ones = heap.floats(4_096);
  ones.fill(1);
  for (let i = 0; i < table.length; i += 1) table[i] = (random.next() - 0.5) / dimensions;

  const order = [...texts.keys()];
  const steps = options.epochs * texts.length;
  let step = 0;
  for (let epoch = 0; epoch < options.epochs; epoch += 1)
    for (const index of random.shuffle(order)) {
      const words = texts[index]!.filter((word) => ids.has(word) && random.next() < keep[ids.get(word)!]!);
      const rate = options.rate * (1 - step / steps) + 1e-4;
      step += 1;
      for (const [place, word] of words.entries()) {
        const own = subwords.word(word);
        const size = Math.min(own.length, grams.length);
        const reach = 1 + random.below(options.window);
        if (size === 0) continue;
        for (let k = 0; k < size; k += 1) {
          grams[k] = own[k]!;
          weights[k] = 1 / size;
        }
        for (let near = Math.max(0, place - reach); near <= Math.min(words.length - 1, place + reach); near += 1) {
          if (near === place) continue;
          const truth = ids.get(words[near]!)!;
          hidden.fill(0);
          gradient.fill(0);
          run.gather(grams.at, weights.at, size, table.at, dimensions, hidden.at);
          for (let sample = 0; sample <= options.negatives; sample += 1) {
            const other = sample === 0 ? truth : noise[random.below(NOISE)]!;
            if (sample > 0 && other === truth) continue;
            const row = context.at + other * dimensions * 4;
            const push = rate * ((sample === 0 ? 1 : 0) - 1 / (1 + Math.exp(-run.dot(hidden.at, row, dimensions))));
            run.axpy(push, row, gradient.at, dimensions);
            run.axpy(push, hidden.at, row, dimensions);
          }
          run.scatter(grams.at, ones.at, size, table.at, dimensions, gradient.at);
        }
      }
    }
  let square = 0;
  for (const value of table) square += value * value;
  const scale = DEVIATION / Math.sqrt(square / table.length || 1);
  return Float32Array.from(table, (value) => value * scale);
}

/** Words seen twice or more, how they are drawn as noise (frequency^0.75), and how often a frequent one is kept. */
function count(texts: string[][]) {
  const counts = new Map<string, number>();
  let total = 0;
  for (const words of texts)
    for (const word of words) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
      total += 1;
    }
  const vocabulary = [...counts.keys()].filter((word) => counts.get(word)! >= 2);
  const ids = new Map(vocabulary.map((word, index) => [word, index]));
  const mass = vocabulary.map((word) => counts.get(word)! ** 0.75);
  const whole = mass.reduce((sum, value) => sum + value, 0);
  const noise = new Int32Array(NOISE);
  let index = 0;
  let upTo = (mass[0] ?? 0) / whole;
  for (let place = 0; place < NOISE; place += 1) {
    while (place / NOISE > upTo && index < mass.length - 1) {
      index += 1;
      upTo += mass[index]! / whole;
    }
    noise[place] = index;
  }
  const keep = vocabulary.map((word) => {
    const frequency = counts.get(word)! / total;
    return Math.sqrt(FREQUENT / frequency) + FREQUENT / frequency;
  });
  return { vocabulary, ids, noise, keep };
}
