/**
 * Assembles small WebAssembly SIMD functions from JavaScript: opcodes as lists of bytes (WebAssembly core specification
 * 2.0, chapter 5). No toolchain, and the same bits on every machine: plain IEEE multiply and add in a fixed order.
 */
export const I32 = 0x7f;
export const F32 = 0x7d;
export const V128 = 0x7b;

export type Code = number[];

function uleb(value: number): Code {
  const out: Code = [];
  let rest = value;
  do {
    const byte = rest & 127;
    rest >>>= 7;
    out.push(rest ? byte | 128 : byte);
  } while (rest);
  return out;
}

function sleb(value: number): Code {
  const out: Code = [];
  for (let rest = value; ; ) {
    const byte = rest & 127;
    rest >>= 7;
    if ((rest === 0 && !(byte & 64)) || (rest === -1 && byte & 64)) return [...out, byte];
    out.push(byte | 128);
  }
}

export const get = (local: number): Code => [0x20, ...uleb(local)];
export const set = (local: number): Code => [0x21, ...uleb(local)];
export const int = (value: number): Code => [0x41, ...sleb(value)];
export const add: Code = [0x6a];
export const mul: Code = [0x6c];
export const and: Code = [0x71];
export const shl2: Code = [...int(2), 0x74];
const simd = (op: number): Code => [0xfd, ...uleb(op)];
export const vload = (offset = 0): Code => [...simd(0), 0, ...uleb(offset)];
export const vstore = (offset = 0): Code => [...simd(11), 0, ...uleb(offset)];
export const splatLoad = (offset = 0): Code => [...simd(9), 0, ...uleb(offset)];
export const splat = simd(0x13);
export const vadd = simd(0xe4);
export const vsub = simd(0xe5);
export const vmul = simd(0xe6);
export const vdiv = simd(0xe7);
export const vsqrt = simd(0xe3);
export const intSplat = simd(0x11);
export const greater = simd(0x44);
export const select = simd(0x52);
export const lane = (index: number): Code => [...simd(0x1f), index];
export const f32add: Code = [0x92];
export const f32one: Code = [0x43, 0, 0, 0x80, 0x3f];
export const i32load: Code = [0x28, 2, 0];

/** variable += by (a number, or another local). */
export const bump = (variable: number, by: number | { local: number }): Code => [
  ...get(variable),
  ...(typeof by === 'number' ? int(by) : get(by.local)),
  ...add,
  ...set(variable),
];

/** while (variable < end) { body; variable += step } */
export const loop = (variable: number, end: number, step: number, body: Code): Code => [
  ...[0x02, 0x40, 0x03, 0x40, ...get(variable), ...get(end), 0x4f, 0x0d, 1],
  ...body,
  ...[...bump(variable, step), 0x0c, 0, 0x0b, 0x0b],
];

/** A function under construction: parameters, then locals. */
export class Builder {
  readonly name: string;
  readonly params: number[];
  readonly result: number[];
  body: Code = [];
  readonly #locals: number[] = [];

  constructor(name: string, params: number[], result: number[] = []) {
    this.name = name;
    this.params = params;
    this.result = result;
  }

  local(type: number): number {
    this.#locals.push(type);
    return this.params.length + this.#locals.length - 1;
  }

  code(): Code {
    const body = [...uleb(this.#locals.length), ...this.#locals.flatMap((type) => [1, type]), ...this.body, 0x0b];
    return [...uleb(body.length), ...body];
  }
}

/** A module of functions over one imported memory (`e.m`). */
export function assemble(functions: Builder[]): Uint8Array<ArrayBuffer> {
  const section = (id: number, items: Code[]): Code => {
    const body = [...uleb(items.length), ...items.flat()];
    return [id, ...uleb(body.length), ...body];
  };
  const name = (text: string): Code => [...uleb(text.length), ...Buffer.from(text)];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      functions.map(({ params, result }) => [
        0x60,
        ...uleb(params.length),
        ...params,
        ...uleb(result.length),
        ...result,
      ]),
    ),
    ...section(2, [[...name('e'), ...name('m'), 2, 0, ...uleb(1)]]),
    ...section(
      3,
      functions.map((_, index) => uleb(index)),
    ),
    ...section(
      7,
      functions.map((builder, index) => [...name(builder.name), 0, ...uleb(index)]),
    ),
    ...section(
      10,
      functions.map((builder) => builder.code()),
    ),
  ]);
}
