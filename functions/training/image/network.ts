import { Dense, type Floats, Heap, padded } from '../kernels.ts';
import { Random } from '../random.ts';

/** What a picture network is: two convolutions of 3×3 with their maxima of 2×2, and two dense layers. */
export interface Shape {
  /** Pixels of a side, a multiple of 4; values of a pixel. */
  side: number;
  channels: number;
  /** Of each convolution, multiples of 16. */
  filters: [number, number];
  /** A multiple of 8. */
  hidden: number;
  classes: number;
}

export interface StepOptions {
  rate: number;
  /** Weights lose this share of the rate at each step. */
  decay: number;
  dropHidden: number;
}

/** A trained network, ready to be exported: the normalisation stands in the convolutions. Window by window, channel by channel. */
export interface TrainedNetwork {
  shape: Shape;
  /** weights [3, 3, channels, filters] */
  convolutions: { weights: Float32Array<ArrayBuffer>; bias: Float32Array<ArrayBuffer> }[];
  /** weights [inputs, outputs] */
  dense: { weights: Float32Array<ArrayBuffer>; bias: Float32Array<ArrayBuffer> }[];
}

const EPSILON = 1e-5;
/** How fast the statistics that are served follow those of the batches. */
const MOMENTUM = 0.05;
/** Pixels that the kernels may touch behind the last. */
const SLACK = 4;

/** A convolution with its normalisation, and what the pictures of a batch are in it. */
interface Layer {
  side: number;
  width: number;
  channels: number;
  filters: number;
  weights: Dense;
  /** For the gradient of what it was made of. */
  flipped: Floats;
  gamma: Dense;
  beta: Dense;
  /** Statistics that are served: mean and variance. */
  mean: Float32Array;
  variance: Float32Array;
  /** Bordered pictures. */
  inputs: Floats;
  inputSize: number;
  outputs: Floats;
  outputSize: number;
  scale: Floats;
  shift: Floats;
  sums: Floats;
  add: Floats;
  times: Floats;
}

/**
 * Trains on batches, or a part of them: gradients of several are added by whoever has them all. The same seed and the same batches give the same
 * bits on every processor.
 */
export class Network {
  readonly shape: Shape;
  readonly #heap: Heap;
  readonly #layers: [Layer, Layer];
  /** Of what goes into the dense layers, [batch, features], and their gradient. */
  readonly #features: Floats;
  readonly #featureGradients: Floats;
  readonly #featureCount: number;
  readonly #first: Dense;
  readonly #firstBias: Dense;
  readonly #firstTransposed: Floats;
  readonly #second: Dense;
  readonly #secondBias: Dense;
  readonly #secondTransposed: Floats;
  readonly #hidden: Floats;
  readonly #hiddenGradients: Floats;
  readonly #logits: Floats;
  readonly #classes: number;
  /** Of one picture. */
  readonly #gradient: Floats;
  /** Gradients of the inputs of the second convolution. */
  readonly #inputGradients: Floats;
  readonly #random: Random;

  /** `random` is for what a part of a batch drops; weights begin alike for the same seed. */
  constructor(shape: Shape, batch: number, seed: number, random: Random) {
    const { side, channels, filters, hidden, classes } = shape;
    this.shape = shape;
    this.#random = random;
    this.#classes = padded(classes);
    this.#featureCount = (side / 4) ** 2 * filters[1];
    const room = (width: number, of: number) => ((width + 2) * (width + 2) + SLACK) * of;
    const bytes =
      4 *
      (batch *
        (room(side, channels + filters[0]) +
          2 * room(side / 2, filters[0] + filters[1]) +
          2 * this.#featureCount +
          3 * hidden +
          3 * this.#classes) +
        6 *
          (9 * channels * filters[0] +
            9 * filters[0] * filters[1] +
            this.#featureCount * hidden +
            hidden * this.#classes) +
        room(side, filters[0]) +
        room(side / 2, filters[1]));
    const heap = new Heap(bytes + 4e6);
    this.#heap = heap;
    const initial = new Random(seed);
    this.#layers = [
      layer(heap, batch, side, channels, filters[0], initial),
      layer(heap, batch, side / 2, filters[0], filters[1], initial),
    ];
    this.#first = new Dense(heap, this.#featureCount * hidden);
    this.#firstBias = new Dense(heap, hidden);
    this.#firstTransposed = heap.floats(this.#featureCount * hidden);
    this.#second = new Dense(heap, hidden * this.#classes);
    this.#secondBias = new Dense(heap, this.#classes);
    this.#secondTransposed = heap.floats(hidden * this.#classes);
    for (let at = 0; at < this.#first.w.length; at += 1)
      this.#first.w[at] = initial.normal() * Math.sqrt(2 / this.#featureCount);
    for (let at = 0; at < hidden; at += 1)
      for (let c = 0; c < classes; c += 1)
        this.#second.w[at * this.#classes + c] = initial.normal() / Math.sqrt(hidden);
    this.#features = heap.floats(batch * this.#featureCount);
    this.#featureGradients = heap.floats(batch * this.#featureCount);
    this.#hidden = heap.floats(batch * hidden);
    this.#hiddenGradients = heap.floats(batch * hidden);
    this.#logits = heap.floats(batch * this.#classes);
    this.#gradient = heap.floats(Math.max(room(side, filters[0]), room(side / 2, filters[1])));
    this.#inputGradients = heap.floats(batch * room(side / 2, filters[0]));
  }

  /** A network as it was trained, for its {@link logits}. */
  static of({ shape, convolutions, dense }: TrainedNetwork, batch: number, random: Random): Network {
    const network = new Network(shape, batch, 1, random);
    const { hidden, classes } = shape;
    for (const [index, layer] of network.#layers.entries()) {
      layer.weights.w.set(convolutions[index]!.weights);
      // What normalises is in the weights already.
      layer.gamma.w.fill(1);
      layer.beta.w.set(convolutions[index]!.bias);
      layer.mean.fill(0);
      layer.variance.fill(1 - EPSILON);
    }
    const [first, second] = dense;
    network.#first.w.set(first!.weights);
    network.#firstBias.w.set(first!.bias);
    for (let at = 0; at < hidden * classes; at += 1)
      network.#second.w[Math.floor(at / classes) * network.#classes + (at % classes)] = second!.weights[at]!;
    network.#secondBias.w.fill(0).set(second!.bias);
    return network;
  }

  /** Where a picture of the batch is to be written: its rows of pixels, without the border. */
  write(picture: number, valueAt: (row: number, column: number, channel: number) => number): void {
    const { inputs, inputSize, width, side, channels } = this.#layers[0];
    const from = picture * inputSize;
    for (let row = 0; row < side; row += 1) {
      let at = from + ((row + 1) * width + 1) * channels;
      for (let column = 0; column < side; column += 1)
        for (let channel = 0; channel < channels; channel += 1, at += 1) inputs[at] = valueAt(row, column, channel);
    }
  }

  /**
   * Of `count` pictures that were written, with targets [count, classes]: their gradients are in {@link gradients}, and the sum of their cross
   * entropy is returned. `of`: pictures of the whole batch.
   */
  step(count: number, targets: Float32Array, of: number, { dropHidden }: Pick<StepOptions, 'dropHidden'>): number {
    this.#forward(count, true);
    const { hidden } = this.shape;
    const kept = new Float32Array(count * hidden);
    for (let at = 0; at < kept.length; at += 1) {
      kept[at] = this.#random.next() >= dropHidden && this.#hidden[at]! > 0 ? 1 / (1 - dropHidden) : 0;
      this.#hidden[at]! *= kept[at]!;
    }
    this.#output(count);
    const loss = this.#lossGradient(count, targets, of);
    this.#denseGradient(count, kept);
    this.#convolutionGradient(count);
    return loss;
  }

  /** Of `count` pictures that were written: logits [count, classes], as they are served. */
  logits(count: number): Float32Array<ArrayBuffer> {
    this.#forward(count, false);
    for (let at = 0; at < count * this.shape.hidden; at += 1) this.#hidden[at] = Math.max(0, this.#hidden[at]!);
    this.#output(count);
    const { classes } = this.shape;
    const found = new Float32Array(count * classes);
    for (let row = 0; row < count; row += 1)
      found.set(this.#logits.subarray(row * this.#classes, row * this.#classes + classes), row * classes);
    return found;
  }

  get #parameters(): Dense[] {
    const [a, b] = this.#layers;
    return [
      ...[a.weights, a.gamma, a.beta, b.weights, b.gamma, b.beta],
      ...[this.#first, this.#firstBias, this.#second, this.#secondBias],
    ];
  }

  /** The gradients of all parameters, one behind the other. */
  gradients(): Float32Array[] {
    return this.#parameters.map(({ g }) => g);
  }

  /** All parameters, in the same order. */
  weights(): Float32Array[] {
    return this.#parameters.map(({ w }) => w);
  }

  /** What the served statistics are, which each part of a batch has its own of. */
  statistics(): Float32Array[] {
    return this.#layers.flatMap(({ mean, variance }) => [mean, variance]);
  }

  /** One step of all parameters against the gradients. */
  update({ rate, decay }: Pick<StepOptions, 'rate' | 'decay'>): void {
    for (const parameter of this.#parameters) parameter.update(rate, 1 - rate * decay);
  }

  get trained(): TrainedNetwork {
    const { hidden, classes } = this.shape;
    return {
      shape: this.shape,
      convolutions: this.#layers.map(({ channels, filters, weights, gamma, beta, mean, variance }) => {
        const scale = gamma.w.slice(0, filters).map((value, f) => value / Math.sqrt(variance[f]! + EPSILON));
        return {
          weights: Float32Array.from(
            weights.w.subarray(0, 9 * channels * filters),
            (value, at) => value * scale[at % filters]!,
          ),
          bias: Float32Array.from(scale, (value, f) => beta.w[f]! - mean[f]! * value),
        };
      }),
      dense: [
        { weights: this.#first.w.slice(), bias: this.#firstBias.w.slice(0, hidden) },
        {
          weights: Float32Array.from(
            { length: hidden * classes },
            (_, at) => this.#second.w[Math.floor(at / classes) * this.#classes + (at % classes)]!,
          ),
          bias: this.#secondBias.w.slice(0, classes),
        },
      ],
    };
  }

  #forward(count: number, training: boolean): void {
    const { run } = this.#heap;
    const [a, b] = this.#layers;
    for (const each of this.#layers) {
      const { side, width, channels, filters, inputs, inputSize, outputs, outputSize, sums, weights } = each;
      sums.fill(0);
      const pixels = Math.ceil((side * width - 2) / 3) * 3;
      for (let picture = 0; picture < count; picture += 1) {
        const to = outputs.at + 4 * picture * outputSize;
        run.convolve(inputs.at + 4 * picture * inputSize, weights.w.at, to, channels, filters, width, pixels);
        if (training) run.sums(to, side, side, width, filters, sums.at);
      }
      settle(each, count, training);
      const isLast = each === b;
      const half = side / 2;
      const row = 4 * filters * (isLast ? half : half + 2);
      for (let picture = 0; picture < count; picture += 1) {
        const to = isLast
          ? this.#features.at + 4 * picture * this.#featureCount
          : b.inputs.at + 4 * (picture * b.inputSize + (b.width + 1) * a.filters);
        const from = outputs.at + 4 * picture * outputSize;
        run.normalisePool(from, side, side, width, filters, each.scale.at, each.shift.at, to, row);
      }
    }
    const { hidden } = this.shape;
    for (let row = 0; row < count; row += 1) this.#hidden.set(this.#firstBias.w.subarray(0, hidden), row * hidden);
    run.gemm(
      ...([this.#features.at, 4 * this.#featureCount, 4, this.#first.w.at, 4 * hidden] as const),
      ...([this.#hidden.at, 4 * hidden, count, this.#featureCount, hidden] as const),
    );
  }

  #output(count: number): void {
    const { hidden } = this.shape;
    const N = this.#classes;
    for (let row = 0; row < count; row += 1) this.#logits.set(this.#secondBias.w.subarray(0, N), row * N);
    this.#heap.run.gemm(
      ...([this.#hidden.at, 4 * hidden, 4, this.#second.w.at, 4 * N] as const),
      ...([this.#logits.at, 4 * N, count, hidden, N] as const),
    );
  }

  /** Logits become the gradient of the mean cross entropy of the whole batch. */
  #lossGradient(count: number, targets: Float32Array, of: number): number {
    const { classes } = this.shape;
    let loss = 0;
    for (let row = 0; row < count; row += 1) {
      const at = row * this.#classes;
      let top = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < classes; c += 1) top = Math.max(top, this.#logits[at + c]!);
      let sum = 0;
      for (let c = 0; c < classes; c += 1) sum += Math.exp(this.#logits[at + c]! - top);
      for (let c = 0; c < this.#classes; c += 1) {
        if (c >= classes) {
          this.#logits[at + c] = 0;
          continue;
        }
        const logarithm = this.#logits[at + c]! - top - Math.log(sum);
        const target = targets[row * classes + c]!;
        loss -= target * logarithm;
        this.#logits[at + c] = (Math.exp(logarithm) - target) / of;
      }
    }
    return loss;
  }

  #denseGradient(count: number, kept: Float32Array): void {
    const { run } = this.#heap;
    const { hidden } = this.shape;
    const N = this.#classes;
    const F = this.#featureCount;
    transpose(this.#second.w, this.#secondTransposed, hidden, N);
    transpose(this.#first.w, this.#firstTransposed, F, hidden);
    for (let row = 0; row < count; row += 1)
      for (let c = 0; c < N; c += 1) this.#secondBias.g[c]! += this.#logits[row * N + c]!;
    run.gemm(
      ...([this.#hidden.at, 4, 4 * hidden, this.#logits.at, 4 * N] as const),
      ...([this.#second.g.at, 4 * N, hidden, count, N] as const),
    );
    this.#hiddenGradients.fill(0);
    run.gemm(
      ...([this.#logits.at, 4 * N, 4, this.#secondTransposed.at, 4 * hidden] as const),
      ...([this.#hiddenGradients.at, 4 * hidden, count, N, hidden] as const),
    );
    for (let at = 0; at < kept.length; at += 1) {
      this.#hiddenGradients[at]! *= kept[at]!;
      this.#firstBias.g[at % hidden]! += this.#hiddenGradients[at]!;
    }
    run.gemm(
      ...([this.#features.at, 4, 4 * F, this.#hiddenGradients.at, 4 * hidden] as const),
      ...([this.#first.g.at, 4 * hidden, F, count, hidden] as const),
    );
    this.#featureGradients.fill(0);
    run.gemm(
      ...([this.#hiddenGradients.at, 4 * hidden, 4, this.#firstTransposed.at, 4 * F] as const),
      ...([this.#featureGradients.at, 4 * F, count, hidden, F] as const),
    );
  }

  #convolutionGradient(count: number): void {
    const { run } = this.#heap;
    const [a, b] = this.#layers;
    flip(b);
    for (const each of [b, a]) {
      const { side, width, channels, filters, inputs, inputSize, outputs, outputSize, scale, shift } = each;
      const isLast = each === b;
      const pooledRow = 4 * filters * (isLast ? side / 2 : side / 2 + 2);
      const pooledOf = (picture: number) =>
        isLast
          ? this.#features.at + 4 * picture * this.#featureCount
          : b.inputs.at + 4 * (picture * b.inputSize + (b.width + 1) * a.filters);
      const gradientOf = (picture: number) =>
        isLast
          ? this.#featureGradients.at + 4 * picture * this.#featureCount
          : this.#inputGradients.at + 4 * picture * b.inputSize;
      each.sums.fill(0);
      for (let picture = 0; picture < count; picture += 1)
        run.sumsGradient(
          ...([outputs.at + 4 * picture * outputSize, side, side, width, filters, scale.at, shift.at] as const),
          ...([pooledOf(picture), pooledRow, gradientOf(picture), pooledRow, each.sums.at] as const),
        );
      spread(each, count);
      // A border of zeros around it, for the gradient of what it was made of.
      this.#gradient.fill(0);
      const gradient = this.#gradient.at + 4 * (width + 1) * filters;
      for (let picture = 0; picture < count; picture += 1) {
        run.normaliseGradient(
          ...([outputs.at + 4 * picture * outputSize, side, side, width, filters, scale.at, shift.at] as const),
          ...([pooledOf(picture), pooledRow, gradientOf(picture), pooledRow, each.add.at, each.times.at] as const),
          gradient,
        );
        const from = inputs.at + 4 * picture * inputSize;
        run.convolveGradient(from, gradient, each.weights.g.at, channels, filters, width, side * width - 2);
        if (!isLast) continue;
        const pixels = Math.ceil((side * width - 2) / 3) * 3;
        const to = this.#inputGradients.at + 4 * picture * inputSize;
        run.convolve(this.#gradient.at, each.flipped.at, to, filters, channels, width, pixels);
      }
    }
  }
}

function layer(heap: Heap, batch: number, side: number, channels: number, filters: number, random: Random): Layer {
  const width = side + 2;
  const inputSize = (width * width + SLACK) * channels;
  const outputSize = (side * width + SLACK) * filters;
  const weights = new Dense(heap, 9 * channels * filters);
  for (let at = 0; at < 9 * channels * filters; at += 1)
    weights.w[at] = random.normal() * Math.sqrt(2 / (9 * channels));
  const gamma = new Dense(heap, filters);
  gamma.w.fill(1);
  return {
    ...{ side, width, channels, filters, weights, gamma },
    flipped: heap.floats(9 * channels * filters),
    beta: new Dense(heap, filters),
    mean: new Float32Array(filters),
    variance: new Float32Array(filters).fill(1),
    inputs: heap.floats(batch * inputSize),
    inputSize,
    outputs: heap.floats(batch * outputSize),
    outputSize,
    scale: heap.floats(filters),
    shift: heap.floats(filters),
    sums: heap.floats(2 * filters),
    add: heap.floats(filters),
    times: heap.floats(filters),
  };
}

/** Scale and shift of the channels: of this batch in training, and else as they are served. */
function settle(each: Layer, count: number, training: boolean): void {
  const { filters, side, sums, gamma, beta, mean, variance, scale, shift, add, times } = each;
  const pixels = count * side * side;
  for (let f = 0; f < filters; f += 1) {
    let [middle, spread] = [mean[f]!, variance[f]!];
    if (training) {
      middle = sums[f]! / pixels;
      spread = Math.max(0, sums[filters + f]! / pixels - middle * middle);
      mean[f] = mean[f]! + MOMENTUM * (middle - mean[f]!);
      variance[f] = variance[f]! + MOMENTUM * (spread - variance[f]!);
    }
    const inverse = 1 / Math.sqrt(spread + EPSILON);
    scale[f] = gamma.w[f]! * inverse;
    shift[f] = beta.w[f]! - middle * scale[f]!;
    // For the way back.
    add[f] = middle;
    times[f] = inverse;
  }
}

/** The gradients of gamma and beta, and what of the gradient each pixel of the batch has a part in. */
function spread(each: Layer, count: number): void {
  const { filters, side, sums, gamma, beta, scale, add, times } = each;
  const pixels = count * side * side;
  for (let f = 0; f < filters; f += 1) {
    const [middle, inverse] = [add[f]!, times[f]!];
    const total = sums[f]!;
    const alike = inverse * (sums[filters + f]! - middle * total);
    beta.g[f]! += total;
    gamma.g[f]! += alike;
    times[f] = (-scale[f]! * inverse * alike) / pixels;
    add[f] = (-scale[f]! * total) / pixels - times[f]! * middle;
  }
}

/** The window turned round, and channels in the place of filters. */
function flip({ weights, flipped, channels, filters }: Layer): void {
  for (let tap = 0; tap < 9; tap += 1)
    for (let channel = 0; channel < channels; channel += 1)
      for (let f = 0; f < filters; f += 1)
        flipped[((8 - tap) * filters + f) * channels + channel] = weights.w[(tap * channels + channel) * filters + f]!;
}

function transpose(from: Float32Array, to: Float32Array, rows: number, columns: number): void {
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1) to[column * rows + row] = from[row * columns + column]!;
}
