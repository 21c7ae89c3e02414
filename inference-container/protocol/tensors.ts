import {
  allocate,
  type Datatype,
  datatypes,
  elements,
  type Feed,
  type NumberArray,
  type TensorData,
} from '../models/tensor.ts';
import { badRequest } from './http-error.ts';
import { InexactNumber } from './json.ts';

/** Dimensions of a tensor, and levels of nesting of its data. */
const RANK_LIMIT = 16;
const INTEGERS: Partial<Record<Datatype, [bigint, bigint]>> = {
  UINT8: [0n, 255n],
  UINT16: [0n, 65_535n],
  UINT32: [0n, 2n ** 32n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-128n, 127n],
  INT16: [-32_768n, 32_767n],
  INT32: [-(2n ** 31n), 2n ** 31n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Numbers that JSON has no way to write (null is NaN, too), by the strings that stand for them (as in the JSON mapping of Protocol Buffers). */
const NOT_FINITE = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** Checks a shape: whole, not negative, and of no more elements than a body could hold. */
export function checkShape(name: string, shape: unknown): number[] {
  if (
    !Array.isArray(shape) ||
    shape.length > RANK_LIMIT ||
    !shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  )
    throw badRequest(`${name}: shape must be at most ${RANK_LIMIT} whole numbers from 0 on`);
  if (elements(shape) > 2 ** 31) throw badRequest(`${name}: shape [${shape}] has too many elements`);
  return shape as number[];
}

/** A tensor from JSON: a flat list in row-major order, or lists nested as its shape says; every element checked against the datatype. */
export function fromJson(name: string, datatype: Datatype, shape: number[], given: unknown): Feed {
  if (!Array.isArray(given)) throw badRequest(`${name}: data must be a list`);
  const count = elements(shape);
  const flat = given.length === count && !Array.isArray(given[0]) ? given : flatten(name, given, shape);
  if (flat.length !== count)
    throw badRequest(`${name}: shape [${shape}] needs ${count} elements, and data has ${flat.length}`);
  return { datatype, shape, data: convert(name, datatype, flat) };
}

/** Elements of nested lists in order. Throws 400 where the lists are not nested as the shape says. */
function flatten(name: string, given: unknown[], shape: number[]): unknown[] {
  if (!given.some(Array.isArray)) return given;
  const refused = () =>
    badRequest(`${name}: data must be a flat list, or lists that are nested as its shape [${shape}] says`);
  if (given.length !== shape[0]) throw refused();
  let level = given;
  // Level by level: nesting from outside must not become recursion.
  for (const size of shape.slice(1)) {
    const next: unknown[] = [];
    for (const list of level) {
      if (!Array.isArray(list) || list.length !== size) throw refused();
      for (const value of list) next.push(value);
    }
    level = next;
  }
  return level;
}

function convert(name: string, datatype: Datatype, values: unknown[]): Feed['data'] {
  if (asGiven(datatype, values)) return values;
  const data = allocate(datatype, values.length);
  for (let index = 0; index < values.length; index += 1)
    data[index] = element(name, datatype, values[index], index) as never;
  return data;
}

/** Numbers that are in the datatype's range as they are: nearly all, so they are looked at without ado. */
function asGiven(datatype: Datatype, values: unknown[]): values is number[] {
  if (datatype === 'FP64') return values.every(Number.isFinite);
  if (datatype === 'FP32')
    return values.every((value) => typeof value === 'number' && Number.isFinite(Math.fround(value)));
  const range = INTEGERS[datatype];
  if (!range) return false;
  const [least, most] = [Number(range[0]), Number(range[1])];
  return values.every(
    (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
  );
}

function element(name: string, datatype: Datatype, value: unknown, index: number): unknown {
  switch (datatype) {
    case 'BYTES':
      // ONNX Runtime would cut the string at a zero.
      if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return value;
      break;
    case 'BOOL':
      if (typeof value === 'boolean') return value ? 1 : 0;
      if (value === 0 || value === 1) return value;
      break;
    case 'FP16':
    case 'FP32':
    case 'FP64': {
      const number = typeof value === 'bigint' ? Number(value) : value;
      if (typeof number === 'string') {
        const special = NOT_FINITE.get(number);
        if (special === undefined) break;
        return special;
      }
      // As clients write it whose JSON has no NaN.
      if (number === null) return Number.NaN;
      if (typeof number !== 'number') break;
      const held = datatype === 'FP16' ? Math.f16round(number) : datatype === 'FP32' ? Math.fround(number) : number;
      if (Number.isFinite(held)) return number;
      break;
    }
    default: {
      const [least, most] = INTEGERS[datatype]!;
      const wide = datatype === 'INT64' || datatype === 'UINT64';
      if (typeof value === 'number' && !Number.isSafeInteger(value)) {
        if (wide && Number.isInteger(value) && Math.abs(value) <= 2 ** 64)
          throw new InexactNumber(`${name}: element ${index} is not ${datatype}`);
        break;
      }
      if (typeof value !== 'number' && typeof value !== 'bigint') break;
      if (wide || typeof value === 'bigint') {
        const exact = BigInt(value as number);
        if (exact < least || exact > most) break;
        return wide ? exact : Number(exact);
      }
      if ((value as number) < Number(least) || (value as number) > Number(most)) break;
      return value;
    }
  }
  throw badRequest(`${name}: element ${index} is not ${datatype}`);
}

/** A tensor from the binary extension: little-endian elements; BYTES have their length in front (4 bytes). */
export function fromBinary(name: string, datatype: Datatype, shape: number[], bytes: Buffer): TensorData {
  const count = elements(shape);
  if (datatype === 'BYTES') return { datatype, shape, data: splitBytes(name, count, bytes) };
  const { array, bytes: size } = datatypes[datatype];
  if (bytes.length !== count * size)
    throw badRequest(
      `${name}: shape [${shape}] of ${datatype} needs ${count * size} bytes, and ${bytes.length} were sent`,
    );
  // A copy, because a view must be aligned, and the body is not the tensor's to hand over.
  const copy = new Uint8Array(bytes).buffer;
  const data = new (array as Uint8ArrayConstructor)(copy);
  if (datatype === 'BOOL' && data.some((value) => value > 1)) throw badRequest(`${name}: a BOOL must be 0 or 1`);
  return { datatype, shape, data };
}

function splitBytes(name: string, count: number, bytes: Buffer): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && parts.length <= count) {
    const length = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.length)
      throw badRequest(`${name}: the length of element ${parts.length} leaves the data`);
    parts.push(new Uint8Array(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  if (parts.length !== count)
    throw badRequest(`${name}: shape needs ${count} elements, and the data has ${parts.length}`);
  return parts;
}

/** Strings of a BYTES tensor, for models and tasks that take text. */
export function asText(name: string, tensor: Feed): TensorData {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const data = (tensor.data as (string | Uint8Array)[]).map((value) => {
    if (typeof value === 'string') return value;
    if (value.includes(0)) throw badRequest(`${name}: an element has a zero byte, which a string tensor can't hold`);
    try {
      return decoder.decode(value);
    } catch {
      throw badRequest(`${name}: an element is not UTF-8`);
    }
  });
  return { ...tensor, data };
}

/** The elements as JSON text, numbers exact; NaN and the infinities as strings. */
export function toJson({ datatype, data }: Pick<TensorData, 'datatype' | 'data'>): string {
  if (Array.isArray(data))
    return JSON.stringify(
      data.map((value) => (typeof value === 'string' ? value : Buffer.from(value).toString('base64'))),
    );
  if (datatype === 'BOOL') return `[${Array.from(data as Uint8Array, (value) => value !== 0).join()}]`;
  if (!datatype.startsWith('FP')) return `[${(data as Int32Array).join()}]`;
  let plain = true;
  for (const value of data as Float32Array) plain &&= Number.isFinite(value) && !Object.is(value, -0);
  if (plain) return `[${(data as Float32Array).join()}]`;
  return `[${Array.from(data as Float32Array, special).join()}]`;
}

function special(value: number): string {
  // JavaScript writes −0 as 0; JSON has a way to say it.
  if (Object.is(value, -0)) return '-0.0';
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** The elements as the binary extension wants them. */
export function toBinary({ data }: TensorData): Buffer {
  if (!Array.isArray(data)) return Buffer.from(data.buffer, data.byteOffset, (data as NumberArray).byteLength);
  return Buffer.concat(
    data.flatMap((value) => {
      const bytes = Buffer.from(value as string);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
