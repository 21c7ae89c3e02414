import { FLOAT, plus, VECTOR } from './size';

/**
 * C[m, n] += A[m, k] · B[k, n]. A lies in any layout (the strides of its rows and columns), B and C row by row; n is a multiple of 8. Six rows
 * and eight columns of C stay in registers while k goes by.
 */
export function gemm(
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  c: usize,
  cRow: usize,
  m: i32,
  k: i32,
  n: i32,
): void {
  let row = 0;
  for (; row + 6 <= m; row += 6) {
    six(a, aRow, aColumn, b, bRow, c, cRow, k, n);
    a += 6 * aRow;
    c += 6 * cRow;
  }
  for (; row < m; row += 1) {
    one(a, aColumn, b, bRow, c, k, n);
    a += aRow;
    c += cRow;
  }
}

function six(
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  c: usize,
  cRow: usize,
  k: i32,
  n: i32,
): void {
  for (let j: usize = 0; j < usize(n) * FLOAT; j += 2 * VECTOR) {
    let to = c + j;
    let s0 = v128.load(to),
      s1 = v128.load(to, VECTOR);
    to += cRow;
    let t0 = v128.load(to),
      t1 = v128.load(to, VECTOR);
    to += cRow;
    let u0 = v128.load(to),
      u1 = v128.load(to, VECTOR);
    to += cRow;
    let v0 = v128.load(to),
      v1 = v128.load(to, VECTOR);
    to += cRow;
    let w0 = v128.load(to),
      w1 = v128.load(to, VECTOR);
    to += cRow;
    let x0 = v128.load(to),
      x1 = v128.load(to, VECTOR);
    let column = a;
    let right = b + j;
    for (let i = 0; i < k; i += 1) {
      const b0 = v128.load(right),
        b1 = v128.load(right, VECTOR);
      let at = column;
      let left = v128.load32_splat(at);
      s0 = plus(s0, left, b0);
      s1 = plus(s1, left, b1);
      at += aRow;
      left = v128.load32_splat(at);
      t0 = plus(t0, left, b0);
      t1 = plus(t1, left, b1);
      at += aRow;
      left = v128.load32_splat(at);
      u0 = plus(u0, left, b0);
      u1 = plus(u1, left, b1);
      at += aRow;
      left = v128.load32_splat(at);
      v0 = plus(v0, left, b0);
      v1 = plus(v1, left, b1);
      at += aRow;
      left = v128.load32_splat(at);
      w0 = plus(w0, left, b0);
      w1 = plus(w1, left, b1);
      at += aRow;
      left = v128.load32_splat(at);
      x0 = plus(x0, left, b0);
      x1 = plus(x1, left, b1);
      column += aColumn;
      right += bRow;
    }
    to = c + j;
    put(to, s0, s1);
    put(to + cRow, t0, t1);
    put(to + 2 * cRow, u0, u1);
    put(to + 3 * cRow, v0, v1);
    put(to + 4 * cRow, w0, w1);
    put(to + 5 * cRow, x0, x1);
  }
}

function one(a: usize, aColumn: usize, b: usize, bRow: usize, c: usize, k: i32, n: i32): void {
  for (let j: usize = 0; j < usize(n) * FLOAT; j += 2 * VECTOR) {
    let s0 = v128.load(c + j),
      s1 = v128.load(c + j, VECTOR);
    let at = a;
    let right = b + j;
    for (let i = 0; i < k; i += 1) {
      const left = v128.load32_splat(at);
      s0 = plus(s0, left, v128.load(right));
      s1 = plus(s1, left, v128.load(right, VECTOR));
      at += aColumn;
      right += bRow;
    }
    put(c + j, s0, s1);
  }
}

function put(to: usize, first: v128, second: v128): void {
  v128.store(to, first);
  v128.store(to, second, VECTOR);
}
