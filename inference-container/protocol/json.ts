import { isAscii } from 'node:buffer';
import { badRequest, HttpError } from './http-error.ts';

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
    throw badRequest('the body is not JSON');
  }
}

function exact(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !source || !/^-?\d+$/.test(source)) return value;
  return BigInt(source);
}
