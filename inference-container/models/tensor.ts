/** Tensors between the protocols and ONNX Runtime. Datatypes as the Open Inference Protocol names them. */
export const datatypes = {
  BOOL: { onnx: 'bool', bytes: 1, array: Uint8Array },
  UINT8: { onnx: 'uint8', bytes: 1, array: Uint8Array },
  UINT16: { onnx: 'uint16', bytes: 2, array: Uint16Array },
  UINT32: { onnx: 'uint32', bytes: 4, array: Uint32Array },
  UINT64: { onnx: 'uint64', bytes: 8, array: BigUint64Array },
  INT8: { onnx: 'int8', bytes: 1, array: Int8Array },
  INT16: { onnx: 'int16', bytes: 2, array: Int16Array },
  INT32: { onnx: 'int32', bytes: 4, array: Int32Array },
  INT64: { onnx: 'int64', bytes: 8, array: BigInt64Array },
  FP16: { onnx: 'float16', bytes: 2, array: Float16Array },
  FP32: { onnx: 'float32', bytes: 4, array: Float32Array },
  FP64: { onnx: 'float64', bytes: 8, array: Float64Array },
  BYTES: { onnx: 'string', bytes: 0, array: Array },
} as const;

export type Datatype = keyof typeof datatypes;

export type NumberArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float16Array
  | Float32Array
  | Float64Array;

/** Elements in row-major order: a typed array, or strings and bytes for BYTES. */
export interface TensorData {
  datatype: Datatype;
  shape: number[];
  data: NumberArray | (string | Uint8Array)[];
}

/** A tensor to be run, whose numbers may still be as JSON gave them: checked, but written only where the run's own tensor is made. */
export interface Feed extends Omit<TensorData, 'data'> {
  data: TensorData['data'] | number[];
}

export interface TensorMetadata {
  name: string;
  datatype: Datatype;
  /** −1: any size. */
  shape: number[];
  /** What the columns of an output stand for. */
  labels?: (string | number)[];
}

const byOnnx = new Map<string, Datatype>(Object.entries(datatypes).map(([name, { onnx }]) => [onnx, name as Datatype]));

/** The protocol's name of an ONNX Runtime type; undefined for one that it does not have. */
export function datatypeOf(onnx: string): Datatype | undefined {
  return byOnnx.get(onnx);
}

/** A typed array (or a list, for BYTES) of a datatype. */
export function allocate(datatype: Datatype, length: number): TensorData['data'] {
  return datatype === 'BYTES' ? new Array<string>(length).fill('') : new datatypes[datatype].array(length);
}

/** Writes elements into a tensor, from its element `at` on. */
export function put(target: TensorData['data'], at: number, elements: Feed['data']): void {
  if (!Array.isArray(elements)) (target as Float32Array).set(elements as Float32Array, at);
  else if (target instanceof BigInt64Array || target instanceof BigUint64Array) putWide(target, at, elements);
  else for (let index = 0; index < elements.length; index += 1) target[at + index] = elements[index] as never;
}

/** Safe integers into a 64-bit tensor, in halves (low, high): a BigInt for each would cost more than the model. */
function putWide(target: BigInt64Array | BigUint64Array, at: number, elements: unknown[]): void {
  const halves = new Int32Array(target.buffer, target.byteOffset + at * 8, elements.length * 2);
  for (let index = 0; index < elements.length; index += 1) {
    const value = elements[index] as number;
    halves[2 * index] = value;
    halves[2 * index + 1] = Math.floor(value / 2 ** 32);
  }
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Rows of a tensor, along its first dimension; a view, not a copy. */
export function rowsOf({ datatype, shape, data }: TensorData, from: number, to: number): TensorData {
  const row = elements(shape.slice(1));
  const part = Array.isArray(data) ? data.slice(from * row, to * row) : data.subarray(from * row, to * row);
  return { datatype, shape: [to - from, ...shape.slice(1)], data: part as TensorData['data'] };
}
