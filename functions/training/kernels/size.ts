/** Bytes of a float, and of four that are one vector. */
export const FLOAT: usize = 4;
export const VECTOR: usize = 16;

/** sum + a · b; in two steps, which every processor rounds alike. */
export function plus(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
}
