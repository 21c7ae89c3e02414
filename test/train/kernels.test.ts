import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Floats, Heap } from '../../functions/training/kernels.ts';
import { Random } from '../../functions/training/random.ts';
import { root } from '../../scripts/build/bundle.ts';
import { compileKernels } from '../../scripts/build/kernels.ts';

/** The arithmetic of training, held against plain loops. */
test('what is kept is what the sources compile to: npm run kernels', async () => {
  const kept = await readFile(join(root, 'functions/training/kernels.wasm'));
  assert.ok(kept.equals(await compileKernels()), 'functions/training/kernels has changed since');
});

const random = new Random(1);
const noise = (into: Floats) => {
  for (let index = 0; index < into.length; index += 1) into[index] = random.normal();
  return into;
};
function near(came: ArrayLike<number>, expected: ArrayLike<number>, most = 1e-3): void {
  assert.equal(came.length, expected.length);
  for (let at = 0; at < came.length; at += 1)
    assert.ok(Math.abs(came[at]! - expected[at]!) <= most, `${at}: ${came[at]} is not ${expected[at]}`);
}

describe('matrix products', () => {
  // Rows beyond a multiple of six, and A by columns, too.
  for (const [m, k, n, byColumns] of [
    [13, 7, 16, false],
    [6, 20, 8, true],
    [5, 1, 24, false],
  ] as const)
    test(`of ${m} × ${k} and ${k} × ${n}${byColumns ? ', A by its columns' : ''}`, () => {
      const heap = new Heap(1e6);
      const [a, b, c] = [noise(heap.floats(m * k)), noise(heap.floats(k * n)), noise(heap.floats(m * n))];
      const expected = Float32Array.from(c);
      for (let row = 0; row < m; row += 1)
        for (let i = 0; i < k; i += 1)
          for (let j = 0; j < n; j += 1)
            expected[row * n + j]! += a[byColumns ? i * m + row : row * k + i]! * b[i * n + j]!;
      const [aRow, aColumn] = byColumns ? [4, 4 * m] : [4 * k, 4];
      heap.run.gemm(a.at, aRow, aColumn, b.at, 4 * n, c.at, 4 * n, m, k, n);
      near(c, expected);
    });
});

/** A picture of 6 × 4 pixels with a border of zeros, and the window's weights. */
const [HEIGHT, WIDTH, CHANNELS, OUT] = [6, 4, 2, 16];
const ROW = WIDTH + 2;
function bordered(heap: Heap, channels: number): Floats {
  const x = heap.floats((HEIGHT + 2) * ROW * channels + 64);
  for (let r = 1; r <= HEIGHT; r += 1)
    for (let c = 1; c <= WIDTH; c += 1)
      for (let k = 0; k < channels; k += 1) x[(r * ROW + c) * channels + k] = random.normal();
  return x;
}
const count = Math.ceil((HEIGHT * ROW - 2) / 3) * 3;
const inside = (values: ArrayLike<number>, channels: number) =>
  Array.from({ length: HEIGHT * WIDTH * channels }, (_, at) => {
    const [pixel, channel] = [Math.floor(at / channels), at % channels];
    return values[(Math.floor(pixel / WIDTH) * ROW + (pixel % WIDTH)) * channels + channel]!;
  });

describe('convolutions', () => {
  const heap = new Heap(1e6);
  const x = bordered(heap, CHANNELS);
  const w = noise(heap.floats(9 * CHANNELS * OUT));
  const y = heap.floats((HEIGHT * ROW + 2) * OUT);

  test('sum what lies under the window', () => {
    heap.run.convolve(x.at, w.at, y.at, CHANNELS, OUT, ROW, count);
    const expected = Array.from({ length: HEIGHT * WIDTH * OUT }, (_, at) => {
      const [pixel, o] = [Math.floor(at / OUT), at % OUT];
      const [r, c] = [Math.floor(pixel / WIDTH), pixel % WIDTH];
      let sum = 0;
      for (let dy = 0; dy < 3; dy += 1)
        for (let dx = 0; dx < 3; dx += 1)
          for (let k = 0; k < CHANNELS; k += 1)
            sum += x[((r + dy) * ROW + c + dx) * CHANNELS + k]! * w[((dy * 3 + dx) * CHANNELS + k) * OUT + o]!;
      return sum;
    });
    near(inside(y, OUT), expected);
  });

  test('have the gradient of their weights', () => {
    const g = heap.floats((HEIGHT * ROW + 2) * OUT);
    for (let r = 0; r < HEIGHT; r += 1)
      for (let at = r * ROW * OUT; at < (r * ROW + WIDTH) * OUT; at += 1) g[at] = random.normal();
    const dw = heap.floats(9 * CHANNELS * OUT);
    heap.run.convolveGradient(x.at, g.at, dw.at, CHANNELS, OUT, ROW, HEIGHT * ROW - 2);
    const expected = new Float32Array(dw.length);
    for (let r = 0; r < HEIGHT; r += 1)
      for (let c = 0; c < WIDTH; c += 1)
        for (let tap = 0; tap < 9; tap += 1)
          for (let k = 0; k < CHANNELS; k += 1)
            for (let o = 0; o < OUT; o += 1)
              expected[(tap * CHANNELS + k) * OUT + o]! +=
                x[((r + Math.floor(tap / 3)) * ROW + c + (tap % 3)) * CHANNELS + k]! * g[(r * ROW + c) * OUT + o]!;
    near(dw, expected);
  });
});

test('normalisation, ReLU and maximum, and their gradient', () => {
  const heap = new Heap(1e6);
  const C = 8;
  const y = noise(heap.floats((HEIGHT * ROW + 2) * C));
  // What is the same in all of its four, as a plain background is: the first of them has the gradient.
  for (const at of [0, 1, ROW, ROW + 1]) y.fill(0.5, at * C, at * C + C);
  const [scale, shift] = [noise(heap.floats(C)), noise(heap.floats(C))];
  const [rows, columns] = [HEIGHT / 2, WIDTH / 2];
  const [pooled, gradient] = [heap.floats(rows * columns * C), noise(heap.floats(rows * columns * C))];
  const row = 4 * columns * C;
  heap.run.normalisePool(y.at, HEIGHT, WIDTH, ROW, C, scale.at, shift.at, pooled.at, row);
  const [sums, both] = [heap.floats(2 * C), heap.floats(2 * C)];
  heap.run.sums(y.at, HEIGHT, WIDTH, ROW, C, sums.at);
  heap.run.sumsGradient(y.at, HEIGHT, WIDTH, ROW, C, scale.at, shift.at, pooled.at, row, gradient.at, row, both.at);
  const [add, times] = [noise(heap.floats(C)), noise(heap.floats(C))];
  const out = heap.floats((HEIGHT * ROW + 2) * C);
  heap.run.normaliseGradient(
    ...([y.at, HEIGHT, WIDTH, ROW, C, scale.at, shift.at, pooled.at, row, gradient.at, row] as const),
    ...([add.at, times.at, out.at] as const),
  );

  const expected = {
    pooled: new Float32Array(pooled.length),
    sums: new Float32Array(2 * C),
    both: new Float32Array(2 * C),
  };
  const dy = new Float32Array(out.length);
  for (let r = 0; r < rows; r += 1)
    for (let c = 0; c < columns; c += 1)
      for (let k = 0; k < C; k += 1) {
        const places = [0, 1, ROW, ROW + 1].map((at) => (2 * r * ROW + 2 * c + at) * C + k);
        const values = places.map((at) => y[at]! * scale[k]! + shift[k]!);
        const best = Math.max(0, ...values);
        const winner = places[values.indexOf(Math.max(...values))]!;
        const at = (r * columns + c) * C + k;
        expected.pooled[at] = best;
        for (const place of places) {
          expected.sums[k]! += y[place]!;
          expected.sums[C + k]! += y[place]! ** 2;
          dy[place] = add[k]! + times[k]! * y[place]!;
        }
        if (best <= 0) continue;
        expected.both[k]! += gradient[at]!;
        expected.both[C + k]! += gradient[at]! * y[winner]!;
        dy[winner]! += scale[k]! * gradient[at]!;
      }
  near(pooled, expected.pooled);
  near(sums, expected.sums);
  near(both, expected.both);
  near(inside(out, C), inside(dy, C));
});
