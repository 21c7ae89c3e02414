import { badRequest } from './http-error.ts';

/** Whole numbers that a double may not hold: such a body is read digit by digit. */
const LONG_NUMBER = /[\d]{16,}/;

/** Parses a body. Whole numbers beyond 2^53 come as bigint, so that 64-bit tensors are exact. */
export function parseJson(bytes: Buffer): unknown {
  const text = decode(bytes);
  try {
    return LONG_NUMBER.test(text) ? JSON.parse(text, exact as never) : JSON.parse(text);
  } catch {
    throw badRequest('the body is not JSON');
  }
}

function exact(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !source || !/^-?\d+$/.test(source)) return value;
  return BigInt(source);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw badRequest('the body is not UTF-8');
  }
}
