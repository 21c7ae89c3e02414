import { Dense, type Floats, Heap, type Ints, padded } from './kernels.ts';
import { Random } from './random.ts';

/** Told the share that is done, and, where it is known, the mean cross entropy of the last steps. */
export type Progress = (share: number, loss?: number) => void;

export interface CnnOptions {
  dimensions: number;
  /** Of each width. */
  filters: number;
  widths: number[];
  epochs: number;
  batch: number;
  tableRate: number;
  rate: number;
  dropGrams: number;
  dropWords: number;
  dropHidden: number;
  smoothing: number;
  /** Length of the step along the gradient by which each sentence is moved for a second, harder look; 0: none. */
  adversarial: number;
}

export const cnnDefaults: CnnOptions = {
  dimensions: 64,
  filters: 128,
  widths: [1, 2, 3],
  epochs: 16,
  batch: 64,
  tableRate: 0.05,
  rate: 0.003,
  dropGrams: 0.3,
  dropWords: 0.1,
  dropHidden: 0.2,
  smoothing: 0.2,
  adversarial: 0.5,
};

/** A sentence: the n-gram ids of each of its words, with marks for its start and end. */
export type Sentence = ArrayLike<number>[];

export interface Cnn {
  classes: number;
  dimensions: number;
  filters: number;
  /** [n-grams, dimensions] */
  table: Float32Array<ArrayBuffer>;
  /** weights[width · dimensions, filters] */
  convolutions: { width: number; weights: Float32Array<ArrayBuffer>; bias: Float32Array<ArrayBuffer> }[];
  /** [widths · filters, stride] */
  output: Float32Array<ArrayBuffer>;
  stride: number;
  bias: Float32Array<ArrayBuffer>;
}

/**
 * Subword CNN: a word's vector is the sum of its n-grams' → filters of several widths → maximum over time → tanh →
 * softmax. Row-wise Adagrad on the vectors, Adam on the rest, rates falling to zero. Trained on every batch twice: as it
 * is, and moved along its own gradient (Miyato et al. 2017). `targets` is [sentences, classes].
 */
export class CnnTrainer {
  readonly #options: CnnOptions;
  readonly #classes: number;
  readonly #heap: Heap;
  readonly #table: Floats;
  readonly #convolutions: { width: number; weights: Dense; transposed: Floats; bias: Dense }[];
  readonly #output: Dense;
  readonly #outputBias: Dense;
  readonly #outputTransposed: Floats;
  readonly #words: Floats;
  readonly #wordGradients: Floats;
  readonly #convolved: Floats;
  readonly #pooled: Floats;
  readonly #pooledGradients: Floats;
  readonly #places: Ints;
  readonly #logits: Floats;
  readonly #ids: Ints;
  readonly #values: Floats;
  readonly #starts: Int32Array;
  readonly #history: Float32Array;
  readonly #random: Random;
  /** Rows of 8 floats: dimensions, filters, classes, and all filters together. */
  readonly #D: number;
  readonly #F: number;
  readonly #N: number;
  readonly #P: number;

  constructor(
    grams: number,
    classes: number,
    longest: number,
    vectors: Float32Array,
    options: CnnOptions,
    seed: number,
  ) {
    const { batch, widths } = options;
    this.#options = options;
    this.#classes = classes;
    this.#random = new Random(seed);
    const D = padded(options.dimensions);
    this.#D = D;
    const F = padded(options.filters);
    this.#F = F;
    const N = padded(classes);
    this.#N = N;
    const P = F * widths.length;
    this.#P = P;
    const rows = batch * longest + Math.max(...widths);
    const weights = 6 * P * D * Math.max(...widths) + 6 * P * N;
    const heap = new Heap(4 * (grams * D + rows * D * 2 + rows * F + weights + batch * (4 * P + 2 * N)) + 4e6);
    this.#heap = heap;
    this.#table = heap.floats(grams * D);
    this.#table.set(vectors);
    this.#convolutions = widths.map((width) => ({
      width,
      weights: new Dense(heap, F * width * D),
      transposed: heap.floats(F * width * D),
      bias: new Dense(heap, F),
    }));
    this.#output = new Dense(heap, P * N);
    this.#outputBias = new Dense(heap, N);
    this.#outputTransposed = heap.floats(P * N);
    this.#words = heap.floats(rows * D);
    this.#wordGradients = heap.floats(rows * D);
    this.#convolved = heap.floats(rows * F);
    this.#pooled = heap.floats(batch * P);
    this.#pooledGradients = heap.floats(batch * P);
    this.#places = heap.ints(batch * P);
    this.#logits = heap.floats(batch * N);
    this.#ids = heap.ints(4_096);
    this.#values = heap.floats(4_096);
    this.#starts = new Int32Array(batch + 1);
    this.#history = new Float32Array(grams).fill(1e-8);
    for (const { width, weights: parameter } of this.#convolutions)
      for (let i = 0; i < F * width * D; i += 1) parameter.w[i] = this.#random.normal() / Math.sqrt(width * D);
    for (let p = 0; p < P; p += 1)
      for (let c = 0; c < classes; c += 1) this.#output.w[p * N + c] = this.#random.normal() / Math.sqrt(P);
  }

  /** `progress` is told the mean cross entropy of the last steps, too. */
  train(sentences: Sentence[], targets: Float32Array, progress: Progress): void {
    const { epochs, batch } = this.#options;
    const order = Int32Array.from({ length: sentences.length }, (_, index) => index);
    const steps = epochs * Math.ceil(sentences.length / batch);
    let step = 0;
    let [loss, since] = [0, 0];
    for (let epoch = 0; epoch < epochs; epoch += 1) {
      this.#random.shuffle(order);
      for (let from = 0; from < order.length; from += batch) {
        loss += this.#step(sentences, targets, order.subarray(from, from + batch), 1 - step / steps);
        since += 1;
        step += 1;
        if (step % 20 !== 0) continue;
        progress(step / steps, loss / since);
        [loss, since] = [0, 0];
      }
    }
    this.#transpose();
    progress(1);
  }

  get model(): Cnn {
    return {
      classes: this.#classes,
      dimensions: this.#D,
      filters: this.#F,
      table: this.#table.slice(),
      convolutions: this.#convolutions.map(({ width, transposed, bias }) => ({
        width,
        weights: transposed.slice(),
        bias: bias.w.slice(),
      })),
      output: this.#output.w.slice(),
      stride: this.#N,
      bias: this.#outputBias.w.slice(0, this.#classes),
    };
  }

  /** The mean cross entropy of the rows, as they were before. */
  #step(sentences: Sentence[], targets: Float32Array, rows: Int32Array, pace: number): number {
    const { dropGrams, dropWords, dropHidden, adversarial, tableRate, rate } = this.#options;
    const { run } = this.#heap;
    const D = this.#D;
    const P = this.#P;
    const N = this.#N;
    const keepGrams = 1 - dropGrams;
    const keepHidden = 1 - dropHidden;
    const lengths = Array.from(rows, (row) => sentences[row]!.length);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const tokens: { grams: number[]; row: number }[] = [];
    this.#words.fill(0, 0, total * D);
    this.#wordGradients.fill(0, 0, total * D);
    let at = 0;
    for (const [index, row] of rows.entries()) {
      this.#starts[index] = at;
      for (const word of sentences[row]!) {
        if (word.length > 0 && this.#random.next() >= dropWords) {
          const grams = Array.from(word).filter(() => keepGrams === 1 || this.#random.next() < keepGrams);
          this.#embed(grams, 1 / keepGrams, at);
          tokens.push({ grams, row: at });
        }
        at += 1;
      }
    }
    this.#transpose();
    for (let p = 0; p < P; p += 1)
      for (let c = 0; c < N; c += 1) this.#outputTransposed[c * P + p] = this.#output.w[p * N + c]!;
    const mask = Float32Array.from({ length: rows.length * P }, () =>
      this.#random.next() < keepHidden ? 1 / keepHidden : 0,
    );
    let loss = 0;
    for (let round = 0; round < (adversarial > 0 ? 2 : 1); round += 1) {
      if (round === 1) this.#moveAlongGradient(lengths, adversarial);
      this.#convolve(lengths, total);
      const tanh = this.#pooled.slice(0, rows.length * P);
      for (let j = 0; j < tanh.length; j += 1) this.#pooled[j]! *= mask[j]!;
      this.#multiplyOutput(rows.length);
      const entropy = this.#outputGradient(targets, rows);
      if (round === 0) loss = entropy;
      this.#pooledGradients.fill(0);
      run.gemm(
        this.#logits.at,
        N * 4,
        4,
        this.#outputTransposed.at,
        P * 4,
        this.#pooledGradients.at,
        P * 4,
        rows.length,
        N,
        P,
      );
      run.gemm(this.#pooled.at, 4, P * 4, this.#logits.at, N * 4, this.#output.g.at, N * 4, P, rows.length, N);
      this.#convolutionGradient(rows.length, tanh, mask);
    }
    this.#updateTable(tokens, tableRate * pace, keepGrams);
    for (const { weights, bias } of this.#convolutions) {
      weights.update(rate * pace);
      bias.update(rate * pace);
    }
    this.#output.update(rate * pace);
    this.#outputBias.update(rate * pace);
    return loss;
  }

  /** Adds a word's n-gram vectors to its row. */
  #embed(grams: ArrayLike<number>, weight: number, row: number): void {
    const size = Math.min(grams.length, this.#ids.length);
    for (let k = 0; k < size; k += 1) {
      this.#ids[k] = grams[k]!;
      this.#values[k] = weight;
    }
    this.#heap.run.gather(
      this.#ids.at,
      this.#values.at,
      size,
      this.#table.at,
      this.#D,
      this.#words.at + row * this.#D * 4,
    );
  }

  #transpose(): void {
    for (const { width, weights, transposed } of this.#convolutions) {
      const K = width * this.#D;
      for (let f = 0; f < this.#F; f += 1)
        for (let k = 0; k < K; k += 1) transposed[k * this.#F + f] = weights.w[f * K + k]!;
    }
  }

  /** tanh of the maximum over time, for the sentences whose word vectors stand in #words. */
  #convolve(lengths: number[], rows: number): void {
    const { run } = this.#heap;
    const D = this.#D;
    const F = this.#F;
    for (const [index, { width, transposed, bias }] of this.#convolutions.entries()) {
      this.#convolved.fill(0, 0, rows * F);
      run.gemm(
        this.#words.at,
        D * 4,
        4,
        transposed.at,
        F * 4,
        this.#convolved.at,
        F * 4,
        rows - width + 1,
        width * D,
        F,
      );
      for (let b = 0; b < lengths.length; b += 1) {
        const first = this.#starts[b]!;
        const to = b * this.#P + index * F;
        run.pool(
          this.#convolved.at + first * F * 4,
          F * 4,
          lengths[b]! - width + 1,
          first,
          F,
          this.#pooled.at + to * 4,
          this.#places.at + to * 4,
        );
        for (let f = 0; f < F; f += 1) this.#pooled[to + f] = Math.tanh(this.#pooled[to + f]! + bias.w[f]!);
      }
    }
  }

  #multiplyOutput(rows: number): void {
    const N = this.#N;
    for (let b = 0; b < rows; b += 1) this.#logits.set(this.#outputBias.w, b * N);
    this.#heap.run.gemm(
      this.#pooled.at,
      this.#P * 4,
      4,
      this.#output.w.at,
      N * 4,
      this.#logits.at,
      N * 4,
      rows,
      this.#P,
      N,
    );
  }

  /** Logits become the gradient of the mean cross entropy, which is returned. */
  #outputGradient(targets: Float32Array, rows: Int32Array): number {
    const N = this.#N;
    const classes = this.#classes;
    let loss = 0;
    for (const [b, row] of rows.entries()) {
      let top = Number.NEGATIVE_INFINITY;
      let sum = 0;
      for (let c = 0; c < classes; c += 1) top = Math.max(top, this.#logits[b * N + c]!);
      let met = 0;
      for (let c = 0; c < classes; c += 1) {
        met += targets[row * classes + c]! * (this.#logits[b * N + c]! - top);
        const value = Math.exp(this.#logits[b * N + c]! - top);
        this.#logits[b * N + c] = value;
        sum += value;
      }
      for (let c = 0; c < N; c += 1) {
        const gradient = c < classes ? (this.#logits[b * N + c]! / sum - targets[row * classes + c]!) / rows.length : 0;
        this.#logits[b * N + c] = gradient;
        if (c < classes) this.#outputBias.g[c]! += gradient;
      }
      // The targets of a row add up to 1.
      loss += (Math.log(sum) - met) / rows.length;
    }
    return loss;
  }

  #convolutionGradient(rows: number, tanh: Float32Array, mask: Float32Array): void {
    const { run } = this.#heap;
    const D = this.#D;
    for (const [index, { width, weights, bias }] of this.#convolutions.entries()) {
      const K = width * D;
      for (let b = 0; b < rows; b += 1)
        for (let f = 0; f < this.#F; f += 1) {
          const j = b * this.#P + index * this.#F + f;
          const gradient = this.#pooledGradients[j]! * mask[j]! * (1 - tanh[j]! ** 2);
          if (gradient === 0) continue;
          bias.g[f]! += gradient;
          const place = this.#places[j]! * D * 4;
          run.axpy(gradient, weights.w.at + f * K * 4, this.#wordGradients.at + place, K);
          run.axpy(gradient, this.#words.at + place, weights.g.at + f * K * 4, K);
        }
    }
  }

  #moveAlongGradient(lengths: number[], length: number): void {
    const { run } = this.#heap;
    for (const [b, words] of lengths.entries()) {
      const from = this.#starts[b]! * this.#D * 4;
      const size = words * this.#D;
      const norm = Math.sqrt(run.dot(this.#wordGradients.at + from, this.#wordGradients.at + from, size));
      run.axpy(length / (norm + 1e-12), this.#wordGradients.at + from, this.#words.at + from, size);
    }
  }

  #updateTable(tokens: { grams: number[]; row: number }[], rate: number, keepGrams: number): void {
    const { run } = this.#heap;
    const D = this.#D;
    for (const { grams, row } of tokens) {
      const gradient = this.#wordGradients.at + row * D * 4;
      const square = run.dot(gradient, gradient, D) / D / keepGrams ** 2;
      if (square === 0) continue;
      for (const [k, gram] of grams.entries()) {
        this.#history[gram]! += square;
        this.#ids[k] = gram;
        this.#values[k] = -rate / keepGrams / Math.sqrt(this.#history[gram]!);
      }
      run.scatter(this.#ids.at, this.#values.at, grams.length, this.#table.at, D, gradient);
    }
  }
}
