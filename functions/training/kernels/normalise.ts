import { FLOAT, plus, VECTOR } from './size';

/**
 * Batch normalisation, ReLU and the maximum of 2×2 pixels as one step, of one picture: `y` is what a convolution made, with the row `width`;
 * scale and shift are those of its channels. What was normalised is not kept: it is made again where the gradient needs it, which costs
 * less than memory. Rows and columns are even; strides of rows are bytes.
 */

/** sums[0, channel] += Σ y, sums[1, channel] += Σ y², over rows × columns pixels. */
export function sums(y: usize, rows: i32, columns: i32, width: i32, channels: i32, to: usize): void {
  const pixel = usize(channels) * FLOAT;
  for (let j: usize = 0; j < pixel; j += VECTOR) {
    let sum = f32x4.splat(0);
    let squares = f32x4.splat(0);
    for (let r = 0; r < rows; r += 1) {
      let at = y + usize(r * width) * pixel + j;
      const end = at + usize(columns) * pixel;
      for (; at < end; at += pixel) {
        const value = v128.load(at);
        sum = f32x4.add(sum, value);
        squares = plus(squares, value, value);
      }
    }
    v128.store(to + j, f32x4.add(v128.load(to + j), sum));
    v128.store(to + pixel + j, f32x4.add(v128.load(to + pixel + j), squares));
  }
}

/** out[row / 2, column / 2, channel] = max(0, the greatest of four of y · scale + shift). */
export function normalisePool(
  y: usize,
  rows: i32,
  columns: i32,
  width: i32,
  channels: i32,
  scale: usize,
  shift: usize,
  out: usize,
  outRow: usize,
): void {
  const pixel = usize(channels) * FLOAT;
  const row = usize(width) * pixel;
  for (let r = 0; r < rows; r += 2) {
    for (let c = 0; c < columns; c += 2) {
      const from = y + usize(r) * row + usize(c) * pixel;
      const to = out + usize(r >> 1) * outRow + usize(c >> 1) * pixel;
      for (let j: usize = 0; j < pixel; j += VECTOR) {
        const s = v128.load(scale + j),
          t = v128.load(shift + j);
        const first = f32x4.max(plus(t, v128.load(from + j), s), plus(t, v128.load(from + pixel + j), s));
        const second = f32x4.max(plus(t, v128.load(from + row + j), s), plus(t, v128.load(from + row + pixel + j), s));
        v128.store(to + j, f32x4.max(f32x4.splat(0), f32x4.max(first, second)));
      }
    }
  }
}

/**
 * sums[0, channel] += Σ gradient, sums[1, channel] += Σ gradient · y, over the pixels that were the greatest of their four and not below 0:
 * `pooled` and its `gradient` have the strides of rows pooledRow and gradientRow.
 */
export function sumsGradient(
  y: usize,
  rows: i32,
  columns: i32,
  width: i32,
  channels: i32,
  scale: usize,
  shift: usize,
  pooled: usize,
  pooledRow: usize,
  gradient: usize,
  gradientRow: usize,
  to: usize,
): void {
  const pixel = usize(channels) * FLOAT;
  const row = usize(width) * pixel;
  const none = f32x4.splat(0);
  for (let j: usize = 0; j < pixel; j += VECTOR) {
    const s = v128.load(scale + j),
      t = v128.load(shift + j);
    let sum = none;
    let products = none;
    for (let r = 0; r < rows; r += 2) {
      let from = y + usize(r) * row + j;
      let at = pooled + usize(r >> 1) * pooledRow + j;
      let g = gradient + usize(r >> 1) * gradientRow + j;
      for (let c = 0; c < columns; c += 2) {
        const best = v128.load(at);
        const y0 = v128.load(from),
          y1 = v128.load(from + pixel);
        const y2 = v128.load(from + row),
          y3 = v128.load(from + row + pixel);
        // The first of those that are the greatest, as everywhere.
        let value = v128.bitselect(y2, y3, f32x4.eq(plus(t, y2, s), best));
        value = v128.bitselect(y1, value, f32x4.eq(plus(t, y1, s), best));
        value = v128.bitselect(y0, value, f32x4.eq(plus(t, y0, s), best));
        const own = v128.and(v128.load(g), f32x4.gt(best, none));
        sum = f32x4.add(sum, own);
        products = plus(products, own, value);
        from += 2 * pixel;
        at += pixel;
        g += pixel;
      }
    }
    v128.store(to + j, f32x4.add(v128.load(to + j), sum));
    v128.store(to + pixel + j, f32x4.add(v128.load(to + pixel + j), products));
  }
}

/**
 * The gradient of y: scale · (the gradient, where y was the greatest of its four and not below 0) + add + times · y, the last two of each channel.
 * `out` has the row of y.
 */
export function normaliseGradient(
  y: usize,
  rows: i32,
  columns: i32,
  width: i32,
  channels: i32,
  scale: usize,
  shift: usize,
  pooled: usize,
  pooledRow: usize,
  gradient: usize,
  gradientRow: usize,
  add: usize,
  times: usize,
  out: usize,
): void {
  const pixel = usize(channels) * FLOAT;
  const row = usize(width) * pixel;
  const none = f32x4.splat(0);
  for (let r = 0; r < rows; r += 2) {
    for (let c = 0; c < columns; c += 2) {
      const at = usize(r) * row + usize(c) * pixel;
      const half = usize(c >> 1) * pixel;
      for (let j: usize = 0; j < pixel; j += VECTOR) {
        const from = y + at + j;
        const to = out + at + j;
        const s = v128.load(scale + j),
          t = v128.load(shift + j);
        const a = v128.load(add + j),
          m = v128.load(times + j);
        const best = v128.load(pooled + usize(r >> 1) * pooledRow + half + j);
        const g = v128.load(gradient + usize(r >> 1) * gradientRow + half + j);
        const own = f32x4.mul(v128.and(g, f32x4.gt(best, none)), s);
        const y0 = v128.load(from),
          y1 = v128.load(from + pixel);
        const y2 = v128.load(from + row),
          y3 = v128.load(from + row + pixel);
        let is = f32x4.eq(plus(t, y0, s), best);
        v128.store(to, f32x4.add(plus(a, m, y0), v128.and(own, is)));
        let taken = is;
        is = v128.andnot(f32x4.eq(plus(t, y1, s), best), taken);
        v128.store(to + pixel, f32x4.add(plus(a, m, y1), v128.and(own, is)));
        taken = v128.or(taken, is);
        is = v128.andnot(f32x4.eq(plus(t, y2, s), best), taken);
        v128.store(to + row, f32x4.add(plus(a, m, y2), v128.and(own, is)));
        taken = v128.or(taken, is);
        is = v128.andnot(f32x4.eq(plus(t, y3, s), best), taken);
        v128.store(to + row + pixel, f32x4.add(plus(a, m, y3), v128.and(own, is)));
      }
    }
  }
}
