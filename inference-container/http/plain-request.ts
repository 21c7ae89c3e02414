import type { Head } from '../protocol/header.ts';

/** A request that is whole and beyond doubt. */
export interface PlainRequest {
  head: Head;
  body: Buffer;
}

/** Bytes of a head that is read here. */
const HEAD_BYTES = 4_096;
const END = Buffer.from('\r\n\r\n');
const START = /^(GET|POST) (\/[\w./:%~-]*) HTTP\/1\.1(?:\r\n|$)/;
// A value starts with what is no blank: blanks that two parts of an expression may take are tried in every division.
const FIELD = /([!#$%&'*+.^_`|~\w-]+):[ \t]*((?:[!-~][\t -~]*)?)(?:\r\n|$)/y;
const LENGTH = /^\d{1,9}$/;
/** Headers that say how the body or the connection goes on. */
const ELSE = new Set(['transfer-encoding', 'expect', 'upgrade', 'trailer', 'te', 'http2-settings', 'proxy-connection']);

/**
 * Reads a request that came in one piece, and of which there can be no two opinions: HTTP/1.1 in plain ASCII, one host, a
 * body of the one length it says and nothing behind it, on a connection that is kept. Null for any other: Node's own parser
 * says what that is. Node's HTTP costs a small model's request more than its answer (docs/benchmarks/inference.md).
 */
export function readPlain(piece: Buffer): PlainRequest | null {
  const end = piece.indexOf(END);
  if (end === -1 || end > HEAD_BYTES) return null;
  const text = piece.toString('latin1', 0, end);
  const start = START.exec(text);
  if (!start) return null;
  const rawHeaders: string[] = [];
  let hosts = 0;
  let length = -1;
  FIELD.lastIndex = start[0].length;
  while (FIELD.lastIndex < text.length) {
    const field = FIELD.exec(text);
    if (!field) return null;
    const name = field[1]!;
    // Only spaces and tabs: what else could be trimmed is not in a plain value.
    const value = field[2]!.trimEnd();
    rawHeaders.push(name, value);
    const known = name.toLowerCase();
    if (known === 'host') hosts += 1;
    else if (known === 'content-length') {
      if (length !== -1 || !LENGTH.test(value)) return null;
      length = Number(value);
    } else if (known === 'connection') {
      if (value.toLowerCase() !== 'keep-alive') return null;
    } else if (ELSE.has(known)) return null;
  }
  const [, method, url] = start;
  const at = end + END.length;
  const wanted = method === 'GET' ? (length === -1 ? 0 : -1) : length;
  if (hosts !== 1 || piece.length - at !== wanted) return null;
  return { head: { method, url, rawHeaders }, body: piece.subarray(at) };
}
