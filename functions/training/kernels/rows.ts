import { FLOAT, VECTOR } from './size';

/** Σ a·b over n floats. */
export function dot(a: usize, b: usize, n: i32): f32 {
  const end = a + usize(n) * FLOAT;
  let s = f32x4.splat(0);
  let t = f32x4.splat(0);
  while (a < end) {
    s = f32x4.add(s, f32x4.mul(v128.load(a), v128.load(b)));
    t = f32x4.add(t, f32x4.mul(v128.load(a, VECTOR), v128.load(b, VECTOR)));
    a += 2 * VECTOR;
    b += 2 * VECTOR;
  }
  s = f32x4.add(s, t);
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
}

/** y += alpha · x, over n floats. */
export function axpy(alpha: f32, x: usize, y: usize, n: i32): void {
  add(f32x4.splat(alpha), x, y, n);
}

/** out += Σ weights[k] · table[ids[k]], rows of n floats. */
export function gather(ids: usize, weights: usize, count: i32, table: usize, n: i32, out: usize): void {
  for (let k: usize = 0; k < usize(count); k += 1)
    add(v128.load32_splat(weights + k * FLOAT), table + usize(load<i32>(ids + k * FLOAT) * n) * FLOAT, out, n);
}

/** table[ids[k]] += weights[k] · gradient, rows of n floats. */
export function scatter(ids: usize, weights: usize, count: i32, table: usize, n: i32, gradient: usize): void {
  for (let k: usize = 0; k < usize(count); k += 1)
    add(v128.load32_splat(weights + k * FLOAT), gradient, table + usize(load<i32>(ids + k * FLOAT) * n) * FLOAT, n);
}

function add(alpha: v128, x: usize, y: usize, n: i32): void {
  const end = x + usize(n) * FLOAT;
  while (x < end) {
    v128.store(y, f32x4.add(v128.load(y), f32x4.mul(v128.load(x), alpha)));
    v128.store(y, f32x4.add(v128.load(y, VECTOR), f32x4.mul(v128.load(x, VECTOR), alpha)), VECTOR);
    x += 2 * VECTOR;
    y += 2 * VECTOR;
  }
}
