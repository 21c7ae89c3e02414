/** An int8 matrix with one scale for each row (a table: a row is a feature) or column (a weight: a column is an output). */
export interface Quantised {
  rows: number;
  columns: number;
  /** [rows, columns] */
  values: Int8Array;
  scales: Float32Array;
  by: 'row' | 'column';
}

/** Symmetric int8 of a matrix whose rows are `stride` floats apart. */
export function quantise(
  matrix: Float32Array,
  rows: number,
  columns: number,
  stride: number,
  by: 'row' | 'column',
): Quantised {
  const outer = by === 'row' ? rows : columns;
  const inner = by === 'row' ? columns : rows;
  const place = (o: number, i: number) => (by === 'row' ? o * stride + i : i * stride + o);
  const values = new Int8Array(rows * columns);
  const scales = new Float32Array(outer);
  for (let o = 0; o < outer; o += 1) {
    let top = 0;
    for (let i = 0; i < inner; i += 1) top = Math.max(top, Math.abs(matrix[place(o, i)]!));
    if (top === 0) continue;
    const scale = Math.fround(top / 127);
    scales[o] = scale;
    for (let i = 0; i < inner; i += 1) {
      const target = by === 'row' ? o * columns + i : i * columns + o;
      values[target] = Math.round(matrix[place(o, i)]! / scale);
    }
  }
  return { rows, columns, values, scales, by };
}

/** The floats that the int8 matrix stands for, as the served graph computes them. */
export function floats({ rows, columns, values, scales, by }: Quantised): Float32Array<ArrayBuffer> {
  const out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1)
      out[row * columns + column] = values[row * columns + column]! * scales[by === 'row' ? row : column]!;
  return out;
}
