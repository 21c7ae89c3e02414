import {
  add,
  and,
  assemble,
  Builder,
  bump,
  type Code,
  F32,
  f32add,
  f32one,
  get,
  greater,
  I32,
  i32load,
  int,
  intSplat,
  lane,
  loop,
  mul,
  select,
  set,
  shl2,
  splat,
  splatLoad,
  V128,
  vadd,
  vdiv,
  vload,
  vmul,
  vsqrt,
  vstore,
  vsub,
} from './assembler.ts';

/**
 * The arithmetic of training as WebAssembly SIMD: about ten times plain JavaScript, and the same bits everywhere.
 * Pointers are byte offsets into one memory; lengths of rows are multiples of 8 floats.
 */
type Ten = [number, number, number, number, number, number, number, number, number, number];
const places = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A view of the heap's memory that knows where it is. */
export type Floats = Float32Array<ArrayBuffer> & { at: number };
export type Ints = Int32Array<ArrayBuffer> & { at: number };

interface Kernels {
  dot(a: number, b: number, n: number): number;
  axpy(alpha: number, x: number, y: number, n: number): void;
  gather(ids: number, weights: number, count: number, table: number, n: number, out: number): void;
  scatter(ids: number, weights: number, count: number, table: number, n: number, gradient: number): void;
  gemm(
    a: number,
    aRow: number,
    aCol: number,
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
    b1: number,
    b2: number,
    epsilon: number,
    keep: number,
  ): void;
  pool(c: number, rowBytes: number, rows: number, first: number, n: number, out: number, at: number): void;
}

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
    this.run = new WebAssembly.Instance(binary, { e: { m: this.#memory } }).exports as unknown as Kernels;
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

  /** One step against the gradient, which is cleared. */
  update(rate: number): void {
    this.#step += 1;
    const corrected = (rate * Math.sqrt(1 - 0.999 ** this.#step)) / (1 - 0.9 ** this.#step);
    this.#heap.run.adam(this.w.at, this.g.at, this.#m.at, this.#v.at, this.w.length, corrected, 0.9, 0.999, 1e-8, 1);
  }
}

/** dot(a, b, n) → f32 */
function dotFn(): Builder {
  const f = new Builder('dot', [I32, I32, I32], [F32]);
  const end = f.local(I32),
    s = f.local(V128),
    t = f.local(V128);
  f.body = [
    ...get(0),
    ...get(2),
    ...shl2,
    ...add,
    ...set(end),
    ...loop(0, end, 32, [
      ...get(s),
      ...get(0),
      ...vload(),
      ...get(1),
      ...vload(),
      ...vmul,
      ...vadd,
      ...set(s),
      ...get(t),
      ...get(0),
      ...vload(16),
      ...get(1),
      ...vload(16),
      ...vmul,
      ...vadd,
      ...set(t),
      ...bump(1, 32),
    ]),
    ...get(s),
    ...get(t),
    ...vadd,
    ...set(s),
    ...get(s),
    ...lane(0),
    ...get(s),
    ...lane(1),
    ...f32add,
    ...get(s),
    ...lane(2),
    ...get(s),
    ...lane(3),
    ...f32add,
    ...f32add,
  ];
  return f;
}

/** axpy(alpha, x, y, n): y += alpha x */
function axpyFn(): Builder {
  const f = new Builder('axpy', [F32, I32, I32, I32]);
  const end = f.local(I32),
    a = f.local(V128);
  const step = (o: number): Code => [
    ...get(2),
    ...get(2),
    ...vload(o),
    ...get(1),
    ...vload(o),
    ...get(a),
    ...vmul,
    ...vadd,
    ...vstore(o),
  ];
  f.body = [
    ...get(0),
    ...splat,
    ...set(a),
    ...get(1),
    ...get(3),
    ...shl2,
    ...add,
    ...set(end),
    ...loop(1, end, 32, [...step(0), ...step(16), ...bump(2, 32)]),
  ];
  return f;
}

/** gather(idx, weight, count, table, n, out): out += sum weight[k] table[idx[k]]
 *  scatter(idx, weight, count, table, n, g):  table[idx[k]] += weight[k] g */
function rowsFn(name: 'gather' | 'scatter'): Builder {
  const gather = name === 'gather';
  const f = new Builder(name, [I32, I32, I32, I32, I32, I32]);
  const end = f.local(I32),
    row = f.local(I32),
    rowEnd = f.local(I32),
    other = f.local(I32),
    a = f.local(V128),
    bytes = f.local(I32);
  const step = (o: number): Code =>
    gather
      ? [...get(other), ...get(other), ...vload(o), ...get(row), ...vload(o), ...get(a), ...vmul, ...vadd, ...vstore(o)]
      : [...get(row), ...get(row), ...vload(o), ...get(other), ...vload(o), ...get(a), ...vmul, ...vadd, ...vstore(o)];
  f.body = [
    ...get(4),
    ...shl2,
    ...set(bytes),
    ...get(0),
    ...get(2),
    ...shl2,
    ...add,
    ...set(end),
    ...loop(0, end, 4, [
      ...get(1),
      ...splatLoad(),
      ...set(a),
      ...get(0),
      ...i32load,
      ...get(bytes),
      ...mul,
      ...get(3),
      ...add,
      ...set(row),
      ...get(row),
      ...get(bytes),
      ...add,
      ...set(rowEnd),
      ...get(5),
      ...set(other),
      ...loop(row, rowEnd, 32, [...step(0), ...step(16), ...bump(other, 32)]),
      ...bump(1, 4),
    ]),
  ];
  return f;
}

/** gemm(A, aRow, aCol, B, bRow, C, cRow, M, K, N): C[M,N] += A[M,K] B[K,N]; strides in bytes, A in any layout, N a multiple of 8. */
function gemmFn(): Builder {
  const f = new Builder(
    'gemm',
    places(10).map(() => I32),
  );
  const [A, aRow, aCol, B, bRow, C, cRow, M, K, N] = places(10) as Ten;
  const j = f.local(I32),
    jEnd = f.local(I32),
    k = f.local(I32),
    b = f.local(I32);
  const a = [0, 1, 2, 3].map(() => f.local(I32)),
    c = [0, 1, 2, 3].map(() => f.local(I32));
  const acc = [0, 1, 2, 3].map((): [number, number] => [f.local(V128), f.local(V128)]);
  const b0 = f.local(V128),
    b1 = f.local(V128),
    s = f.local(V128);
  const panel = (rows: number): Code => {
    const r = Array.from({ length: rows }, (_, i) => i);
    return [
      ...int(0),
      ...set(j),
      ...get(N),
      ...shl2,
      ...set(jEnd),
      ...loop(j, jEnd, 32, [
        ...r.flatMap((i) => [
          ...(i === 0 ? [...get(A)] : [...get(a[i - 1]!), ...get(aRow), ...add]),
          ...set(a[i]!),
          ...(i === 0 ? [...get(C), ...get(j), ...add] : [...get(c[i - 1]!), ...get(cRow), ...add]),
          ...set(c[i]!),
          ...get(c[i]!),
          ...vload(0),
          ...set(acc[i]![0]),
          ...get(c[i]!),
          ...vload(16),
          ...set(acc[i]![1]),
        ]),
        ...get(B),
        ...get(j),
        ...add,
        ...set(b),
        ...int(0),
        ...set(k),
        ...loop(k, K, 1, [
          ...get(b),
          ...vload(0),
          ...set(b0),
          ...get(b),
          ...vload(16),
          ...set(b1),
          ...r.flatMap((i) => [
            ...get(a[i]!),
            ...splatLoad(),
            ...set(s),
            ...get(acc[i]![0]),
            ...get(s),
            ...get(b0),
            ...vmul,
            ...vadd,
            ...set(acc[i]![0]),
            ...get(acc[i]![1]),
            ...get(s),
            ...get(b1),
            ...vmul,
            ...vadd,
            ...set(acc[i]![1]),
            ...bump(a[i]!, { local: aCol }),
          ]),
          ...bump(b, { local: bRow }),
        ]),
        ...r.flatMap((i) => [
          ...get(c[i]!),
          ...get(acc[i]![0]),
          ...vstore(0),
          ...get(c[i]!),
          ...get(acc[i]![1]),
          ...vstore(16),
        ]),
      ]),
      ...get(A),
      ...get(aRow),
      ...int(rows),
      ...mul,
      ...add,
      ...set(A),
      ...get(C),
      ...get(cRow),
      ...int(rows),
      ...mul,
      ...add,
      ...set(C),
    ];
  };
  const row = f.local(I32),
    fours = f.local(I32);
  f.body = [
    ...get(M),
    ...int(-4),
    ...and,
    ...set(fours),
    ...loop(row, fours, 4, panel(4)),
    ...loop(row, M, 1, panel(1)),
  ];
  return f;
}

/** adam(w, g, m, v, n, rate, beta1, beta2, epsilon, keep): rate carries the bias correction; w is first multiplied by keep (decay); g is zeroed. */
function adamFn(): Builder {
  const f = new Builder('adam', [I32, I32, I32, I32, I32, F32, F32, F32, F32, F32]);
  const end = f.local(I32);
  const [rate, b1, c1, b2, c2, eps, keep, g, m, v] = places(10).map(() => f.local(V128)) as Ten;
  f.body = [
    ...get(5),
    ...splat,
    ...set(rate),
    ...get(6),
    ...splat,
    ...set(b1),
    ...f32one,
    ...splat,
    ...get(b1),
    ...vsub,
    ...set(c1),
    ...get(7),
    ...splat,
    ...set(b2),
    ...f32one,
    ...splat,
    ...get(b2),
    ...vsub,
    ...set(c2),
    ...get(8),
    ...splat,
    ...set(eps),
    ...get(9),
    ...splat,
    ...set(keep),
    ...get(0),
    ...get(4),
    ...shl2,
    ...add,
    ...set(end),
    ...loop(0, end, 16, [
      ...get(1),
      ...vload(),
      ...set(g),
      ...get(2),
      ...vload(),
      ...get(b1),
      ...vmul,
      ...get(g),
      ...get(c1),
      ...vmul,
      ...vadd,
      ...set(m),
      ...get(2),
      ...get(m),
      ...vstore(),
      ...get(3),
      ...vload(),
      ...get(b2),
      ...vmul,
      ...get(g),
      ...get(g),
      ...vmul,
      ...get(c2),
      ...vmul,
      ...vadd,
      ...set(v),
      ...get(3),
      ...get(v),
      ...vstore(),
      ...get(0),
      ...get(0),
      ...vload(),
      ...get(keep),
      ...vmul,
      ...get(rate),
      ...get(m),
      ...vmul,
      ...get(v),
      ...vsqrt,
      ...get(eps),
      ...vadd,
      ...vdiv,
      ...vsub,
      ...vstore(),
      ...get(1),
      ...int(0),
      ...intSplat,
      ...vstore(),
      ...bump(1, 16),
      ...bump(2, 16),
      ...bump(3, 16),
    ]),
  ];
  return f;
}

/** pool(C, rowBytes, rows, first, n, out, at): column-wise maximum over rows and the row (counted from `first`) that holds it. */
function poolFn(): Builder {
  const f = new Builder(
    'pool',
    places(7).map(() => I32),
  );
  const [C, rowBytes, rows, first, n, out, at] = places(7) as Ten;
  const end = f.local(I32),
    r = f.local(I32),
    last = f.local(I32),
    p = f.local(I32),
    best = f.local(V128),
    where = f.local(V128),
    v = f.local(V128),
    larger = f.local(V128);
  f.body = [
    ...get(C),
    ...get(n),
    ...shl2,
    ...add,
    ...set(end),
    ...get(first),
    ...get(rows),
    ...add,
    ...set(last),
    ...loop(C, end, 16, [
      ...get(C),
      ...set(p),
      ...get(p),
      ...vload(),
      ...set(best),
      ...get(first),
      ...intSplat,
      ...set(where),
      ...get(first),
      ...set(r),
      ...loop(r, last, 1, [
        ...get(p),
        ...vload(),
        ...set(v),
        ...get(v),
        ...get(best),
        ...greater,
        ...set(larger),
        ...get(v),
        ...get(best),
        ...get(larger),
        ...select,
        ...set(best),
        ...get(r),
        ...intSplat,
        ...get(where),
        ...get(larger),
        ...select,
        ...set(where),
        ...bump(p, { local: rowBytes }),
      ]),
      ...get(out),
      ...get(best),
      ...vstore(),
      ...get(at),
      ...get(where),
      ...vstore(),
      ...bump(out, 16),
      ...bump(at, 16),
    ]),
  ];
  return f;
}

const binary = new WebAssembly.Module(
  assemble([dotFn(), axpyFn(), rowsFn('gather'), rowsFn('scatter'), gemmFn(), adamFn(), poolFn()]),
);
