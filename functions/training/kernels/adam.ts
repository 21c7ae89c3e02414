import { FLOAT, plus, VECTOR } from './size';

/**
 * One step of Adam for n weights w with the gradient g, which is cleared; m and v are its means. `rate` carries the correction of the means;
 * w is first multiplied by `keep`.
 */
export function adam(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  n: i32,
  rate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  keep: f32,
): void {
  const b1 = f32x4.splat(beta1);
  const b2 = f32x4.splat(beta2);
  const c1 = f32x4.sub(f32x4.splat(1), b1);
  const c2 = f32x4.sub(f32x4.splat(1), b2);
  const r = f32x4.splat(rate);
  const e = f32x4.splat(epsilon);
  const k = f32x4.splat(keep);
  const end = w + usize(n) * FLOAT;
  while (w < end) {
    const gradient = v128.load(g);
    const mean = plus(f32x4.mul(v128.load(m), b1), gradient, c1);
    v128.store(m, mean);
    const square = f32x4.add(f32x4.mul(v128.load(v), b2), f32x4.mul(f32x4.mul(gradient, gradient), c2));
    v128.store(v, square);
    const step = f32x4.div(f32x4.mul(r, mean), f32x4.add(f32x4.sqrt(square), e));
    v128.store(w, f32x4.sub(f32x4.mul(v128.load(w), k), step));
    v128.store(g, f32x4.splat(0));
    w += VECTOR;
    g += VECTOR;
    m += VECTOR;
    v += VECTOR;
  }
}
