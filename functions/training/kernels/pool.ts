import { FLOAT, VECTOR } from './size';

/** Of each of n columns the maximum over rows, and the row that holds it first, counted from `first`. */
export function pool(c: usize, row: usize, rows: i32, first: i32, n: i32, out: usize, at: usize): void {
  const end = c + usize(n) * FLOAT;
  while (c < end) {
    let from = c;
    let best = v128.load(from);
    let where = i32x4.splat(first);
    for (let r = first; r < first + rows; r += 1) {
      const value = v128.load(from);
      const larger = f32x4.gt(value, best);
      best = v128.bitselect(value, best, larger);
      where = v128.bitselect(i32x4.splat(r), where, larger);
      from += row;
    }
    v128.store(out, best);
    v128.store(at, where);
    c += VECTOR;
    out += VECTOR;
    at += VECTOR;
  }
}
