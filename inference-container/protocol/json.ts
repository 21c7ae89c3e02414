import { isAscii } from 'node:buffer';
import { badRequest, HttpError } from './http-error.ts';

/** Levels of lists and objects: more than any tensor has dimensions. */
const DEPTH_LIMIT = 64;
/**
 * Bytes that what JSON text says takes, about, with what its readers make of it, measured at millions of each: a list, an object
 * (one of few members, or of numbers for names), an element, a string beside its characters, and an element of a body that is read
 * again digit by digit.
 */
const COST = { list: 96, object: 320, element: 24, string: 24, exact: 100 };
/** Digits of a number that a double may not hold. */
const LONG_NUMBER = 16;

let mostParsed = Number.POSITIVE_INFINITY;

/** Says how much memory a body of this thread may take once it is parsed. */
export function limitParsed(megabytes: number): void {
  mostParsed = megabytes * 1024 * 1024;
}

/** A whole number was met that a double may not hold: wrong, unless reading the body digit by digit shows otherwise. */
export class InexactNumber extends HttpError {
  constructor(message: string) {
    super(400, message);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses a body. Throws 400. */
export function parseJson(bytes: Buffer): unknown {
  return parse(bytes, (text) => JSON.parse(text));
}

/**
 * Parses a body for a reader that throws {@link InexactNumber} where it needs a whole number beyond 2^53: it is then given
 * the body again with such numbers as bigint, so that 64-bit tensors are exact and all others cost nothing.
 */
export function readJson<T>(bytes: Buffer, read: (json: unknown) => T): T {
  const json = parseJson(bytes);
  try {
    return read(json);
  } catch (error) {
    if (!(error instanceof InexactNumber)) throw error;
    return read(parse(bytes, (text) => JSON.parse(text, exact as never)));
  }
}

function parse(bytes: Buffer, read: (text: string) => unknown): unknown {
  measure(bytes);
  let text: string;
  try {
    // Most bodies are ASCII, for which a string is only a copy.
    text = isAscii(bytes) ? bytes.toString('latin1') : utf8.decode(bytes);
  } catch {
    throw badRequest('the body is not UTF-8');
  }
  try {
    return read(text);
  } catch {
    try {
      // Python writes numbers that JSON does not have.
      return read(quoteSpecial(text));
    } catch {
      throw badRequest('the body is not JSON');
    }
  }
}

const SPECIAL = ['NaN', '-Infinity', 'Infinity'];

/** A text with NaN, Infinity and -Infinity, where they stand outside of strings, in quotes. Throws where it has none. */
export function quoteSpecial(text: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE)
      for (at += 1; at < text.length && text.charCodeAt(at) !== QUOTE; at += 1)
        if (text.charCodeAt(at) === BACKSLASH) at += 1;
    // N, I and −.
    if (code !== 0x4e && code !== 0x49 && code !== 0x2d) continue;
    const word = SPECIAL.find((special) => text.startsWith(special, at));
    if (!word) continue;
    parts.push(text.slice(from, at), `"${word}"`);
    at += word.length - 1;
    from = at + 1;
  }
  if (parts.length === 0) throw new SyntaxError('not JSON');
  return parts.join('') + text.slice(from);
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const LIST = 0x5b;
const OBJECT = 0x7b;

/**
 * What a body would take once it is parsed, counted before it is: a text of 60 MB may become gigabytes. Throws 413 beyond the
 * limit, and 400 where it is nested too deep for whoever reads it.
 */
function measure(bytes: Buffer): void {
  let depth = 0;
  let lists = 0;
  let objects = 0;
  let commas = 0;
  let strings = 0;
  let digits = 0;
  let exact = false;
  const length = bytes.length;
  for (let at = 0; at < length; at += 1) {
    switch (bytes[at]) {
      case QUOTE:
        strings += 1;
        // The end of the string: the next quote that no backslash takes.
        for (at += 1; at < length && bytes[at] !== QUOTE; at += 1) if (bytes[at] === BACKSLASH) at += 1;
        break;
      case COMMA:
        commas += 1;
        break;
      // NaN and Infinity become strings.
      case 0x4e:
      case 0x49:
        strings += 1;
        break;
      case LIST:
      case OBJECT:
        if (bytes[at] === LIST) lists += 1;
        else objects += 1;
        depth += 1;
        if (depth > DEPTH_LIMIT) throw badRequest(`the body is nested deeper than ${DEPTH_LIMIT} levels`);
        break;
      case 0x5d:
      case 0x7d:
        depth -= 1;
        break;
      default: {
        const digit = bytes[at]! >= 0x30 && bytes[at]! <= 0x39;
        digits = digit ? digits + 1 : 0;
        exact ||= digits >= LONG_NUMBER;
        continue;
      }
    }
    digits = 0;
  }
  const parsed =
    length +
    lists * COST.list +
    objects * COST.object +
    commas * (COST.element + (exact ? COST.exact : 0)) +
    strings * COST.string;
  if (parsed > mostParsed)
    throw new HttpError(
      413,
      `the body would take ${Math.ceil(parsed / 1024 / 1024)} MB once it is read, and REQUEST_MEGABYTES is ${mostParsed / 1024 / 1024}; send fewer elements a request, or binary tensors`,
    );
}

function exact(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !source || !/^-?\d+$/.test(source)) return value;
  return BigInt(source);
}
