import { FLOAT, plus, VECTOR } from './size';

/**
 * 3×3 convolutions of one picture whose pixels lie side by side, each with its channels, with a border of one pixel of zeros: so the three
 * pixels that stand side by side under the window are one run of memory, and rows need no ends. Results are as wide as what they are made
 * of; the last two pixels of each of their rows belong to nothing.
 */

/**
 * y[pixel, out] = Σ x[window, channels] · w[window, channels, out], for `count` pixels; `out` is a multiple of 16, and y has room for two pixels
 * more. Three pixels with sixteen channels stay in registers.
 */
export function convolve(x: usize, w: usize, y: usize, channels: i32, out: i32, width: i32, count: i32): void {
  const pixel = usize(channels) * FLOAT;
  const outPixel = usize(out) * FLOAT;
  const run = 3 * channels;
  for (let j: usize = 0; j < outPixel; j += 4 * VECTOR) {
    for (let p = 0; p < count; p += 3) {
      let a0 = f32x4.splat(0),
        a1 = a0,
        a2 = a0,
        a3 = a0;
      let b0 = a0,
        b1 = a0,
        b2 = a0,
        b3 = a0;
      let c0 = a0,
        c1 = a0,
        c2 = a0,
        c3 = a0;
      let weight = w + j;
      for (let row = 0; row < 3; row += 1) {
        let at = x + usize(p + row * width) * pixel;
        for (let k = 0; k < run; k += 1) {
          const a = v128.load32_splat(at);
          const b = v128.load32_splat(at + pixel);
          const c = v128.load32_splat(at + 2 * pixel);
          let s = v128.load(weight);
          a0 = plus(a0, a, s);
          b0 = plus(b0, b, s);
          c0 = plus(c0, c, s);
          s = v128.load(weight, VECTOR);
          a1 = plus(a1, a, s);
          b1 = plus(b1, b, s);
          c1 = plus(c1, c, s);
          s = v128.load(weight, 2 * VECTOR);
          a2 = plus(a2, a, s);
          b2 = plus(b2, b, s);
          c2 = plus(c2, c, s);
          s = v128.load(weight, 3 * VECTOR);
          a3 = plus(a3, a, s);
          b3 = plus(b3, b, s);
          c3 = plus(c3, c, s);
          at += FLOAT;
          weight += outPixel;
        }
      }
      const to = y + usize(p) * outPixel + j;
      put(to, a0, a1, a2, a3);
      put(to + outPixel, b0, b1, b2, b3);
      put(to + 2 * outPixel, c0, c1, c2, c3);
    }
  }
}

/**
 * dw[window, channels, out] += Σ over pixels of x[window, channels] · g[pixel, out]. The last two pixels of each row of g are zeros. `out` is a
 * multiple of 16.
 */
export function convolveGradient(x: usize, g: usize, dw: usize, channels: i32, out: i32, width: i32, count: i32): void {
  const pixel = usize(channels) * FLOAT;
  const outPixel = usize(out) * FLOAT;
  for (let row = 0; row < 3; row += 1) {
    const from = x + usize(row * width) * pixel;
    // A multiple of three: the window is three pixels wide.
    for (let k: usize = 0; k < 3 * pixel; k += 3 * FLOAT) {
      for (let j: usize = 0; j < outPixel; j += 4 * VECTOR) {
        const to = dw + ((usize(row) * 3 * pixel + k) / FLOAT) * outPixel + j;
        let a0 = v128.load(to),
          a1 = v128.load(to, VECTOR),
          a2 = v128.load(to, 2 * VECTOR),
          a3 = v128.load(to, 3 * VECTOR);
        const second = to + outPixel;
        let b0 = v128.load(second),
          b1 = v128.load(second, VECTOR),
          b2 = v128.load(second, 2 * VECTOR),
          b3 = v128.load(second, 3 * VECTOR);
        const third = second + outPixel;
        let c0 = v128.load(third),
          c1 = v128.load(third, VECTOR),
          c2 = v128.load(third, 2 * VECTOR),
          c3 = v128.load(third, 3 * VECTOR);
        let at = from + k;
        let gradient = g + j;
        for (let p = 0; p < count; p += 1) {
          const a = v128.load32_splat(at);
          const b = v128.load32_splat(at, FLOAT);
          const c = v128.load32_splat(at, 2 * FLOAT);
          let s = v128.load(gradient);
          a0 = plus(a0, a, s);
          b0 = plus(b0, b, s);
          c0 = plus(c0, c, s);
          s = v128.load(gradient, VECTOR);
          a1 = plus(a1, a, s);
          b1 = plus(b1, b, s);
          c1 = plus(c1, c, s);
          s = v128.load(gradient, 2 * VECTOR);
          a2 = plus(a2, a, s);
          b2 = plus(b2, b, s);
          c2 = plus(c2, c, s);
          s = v128.load(gradient, 3 * VECTOR);
          a3 = plus(a3, a, s);
          b3 = plus(b3, b, s);
          c3 = plus(c3, c, s);
          at += pixel;
          gradient += outPixel;
        }
        put(to, a0, a1, a2, a3);
        put(second, b0, b1, b2, b3);
        put(third, c0, c1, c2, c3);
      }
    }
  }
}

function put(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(to, a);
  v128.store(to, b, VECTOR);
  v128.store(to, c, 2 * VECTOR);
  v128.store(to, d, 3 * VECTOR);
}
