import { readFileSync } from 'node:fs';

/** A view of the heap's memory that knows where it is. */
export type Floats = Float32Array<ArrayBuffer> & { at: number };
export type Ints = Int32Array<ArrayBuffer> & { at: number };

/** What kernels/index.ts exports: of pointers, counts, and strides in bytes. */
interface Kernels {
  dot(a: number, b: number, n: number): number;
  axpy(alpha: number, x: number, y: number, n: number): void;
  gather(ids: number, weights: number, count: number, table: number, n: number, out: number): void;
  scatter(ids: number, weights: number, count: number, table: number, n: number, gradient: number): void;
  gemm(
    a: number,
    aRow: number,
    aColumn: number,
    b: number,
    bRow: number,
    c: number,
    cRow: number,
    m: number,
    k: number,
    n: number,
  ): void;
  adam(
    w: number,
    g: number,
    m: number,
    v: number,
    n: number,
    rate: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    keep: number,
  ): void;
  pool(c: number, row: number, rows: number, first: number, n: number, out: number, at: number): void;
  convolve(x: number, w: number, y: number, channels: number, out: number, width: number, count: number): void;
  convolveGradient(x: number, g: number, dw: number, channels: number, out: number, width: number, count: number): void;
  sums(y: number, rows: number, columns: number, width: number, channels: number, to: number): void;
  normalisePool(
    y: number,
    rows: number,
    columns: number,
    width: number,
    channels: number,
    scale: number,
    shift: number,
    out: number,
    outRow: number,
  ): void;
  sumsGradient(
    y: number,
    rows: number,
    columns: number,
    width: number,
    channels: number,
    scale: number,
    shift: number,
    pooled: number,
    pooledRow: number,
    gradient: number,
    gradientRow: number,
    to: number,
  ): void;
  normaliseGradient(
    y: number,
    rows: number,
    columns: number,
    width: number,
    channels: number,
    scale: number,
    shift: number,
    pooled: number,
    pooledRow: number,
    gradient: number,
    gradientRow: number,
    add: number,
    times: number,
    out: number,
  ): void;
}

/** Beside this module: the compiled kernels/ (npm run kernels). */
const binary = new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));

/** Floats a row takes: the kernels work on eight at a time. */
export const padded = (n: number): number => Math.ceil(n / 8) * 8;

/** Memory that arrays and kernels share. Reserve generously: pages are touched only when they are used. */
export class Heap {
  readonly run: Kernels;
  readonly #memory: WebAssembly.Memory;
  #next = 64;

  constructor(bytes: number) {
    const pages = Math.ceil(bytes / 65_536) + 1;
    if (pages > 65_536)
      throw new Error(
        `training needs ${Math.ceil(bytes / 2 ** 30)} GiB in one piece, and 4 GiB is the most: use fewer utterances or classes`,
      );
    this.#memory = new WebAssembly.Memory({ initial: pages });
    this.run = new WebAssembly.Instance(binary, { env: { memory: this.#memory } }).exports as unknown as Kernels;
  }

  floats(length: number): Floats {
    const at = this.#take(length);
    return Object.assign(new Float32Array(this.#memory.buffer as ArrayBuffer, at, length), { at });
  }

  ints(length: number): Ints {
    const at = this.#take(length);
    return Object.assign(new Int32Array(this.#memory.buffer as ArrayBuffer, at, length), { at });
  }

  #take(length: number): number {
    const at = this.#next;
    this.#next += Math.ceil((length * 4) / 64) * 64;
    if (this.#next > this.#memory.buffer.byteLength) throw new Error('the heap is too small');
    return at;
  }
}

/** A dense parameter trained with Adam. */
export class Dense {
  readonly w: Floats;
  readonly g: Floats;
  readonly #m: Floats;
  readonly #v: Floats;
  readonly #heap: Heap;
  #step = 0;

  constructor(heap: Heap, length: number) {
    this.#heap = heap;
    const room = padded(length);
    this.w = heap.floats(room);
    this.g = heap.floats(room);
    this.#m = heap.floats(room);
    this.#v = heap.floats(room);
  }

  /** One step against the gradient, which is cleared. `keep`: the weights are multiplied by it first. */
  update(rate: number, keep = 1): void {
    this.#step += 1;
    const corrected = (rate * Math.sqrt(1 - 0.999 ** this.#step)) / (1 - 0.9 ** this.#step);
    this.#heap.run.adam(this.w.at, this.g.at, this.#m.at, this.#v.at, this.w.length, corrected, 0.9, 0.999, 1e-8, keep);
  }
}
