import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import Negotiator from 'negotiator';

/** The folder of the built app (scripts/build/functions.ts puts `web/` beside the bundle). */
const here = dirname(fileURLToPath(import.meta.url));

/** A file of the pages as it is deployed, by its path below `web/`. Throws the file system's error where there is none. */
export function webFile(path: string): Promise<Buffer> {
  return readFile(join(here, 'web', path));
}

/** Answers with a file of the pages, packed as the browser takes it, or that the browser has it. `path`: of the app's own names alone. */
export async function staticFile(
  request: HttpRequest,
  path: string,
  given: Record<string, string>,
): Promise<HttpResponseInit> {
  const { bytes, etag, encodings } = await kept(path);
  const headers = { ...given, etag, vary: 'accept-encoding' };
  const has = (request.headers.get('if-none-match') ?? '').split(',').some((one) => one.trim() === etag);
  if (has) return { status: 304, headers };
  const accepted = new Negotiator({ headers: { 'accept-encoding': request.headers.get('accept-encoding') ?? '' } });
  const [encoding = 'identity'] = accepted.encodings([...Object.keys(encodings), 'identity']);
  const packed = encodings[encoding];
  return packed
    ? { status: 200, headers: { ...headers, 'content-encoding': encoding }, body: packed }
    : { status: 200, headers, body: bytes };
}

interface Kept {
  bytes: Buffer;
  etag: string;
  /** The same, packed when the app was built. */
  encodings: Record<string, Buffer>;
}

const known = new Map<string, Promise<Kept>>();

/** A file of the pages, read once: what is deployed does not change. */
function kept(name: string): Promise<Kept> {
  const reading = known.get(name) ?? read(name);
  known.set(name, reading);
  reading.catch(() => known.delete(name));
  return reading;
}

async function read(name: string): Promise<Kept> {
  const bytes = await webFile(name);
  const encodings: Record<string, Buffer> = {};
  for (const [encoding, ending] of [
    ['br', 'br'],
    ['gzip', 'gz'],
  ] as const) {
    const packed = await webFile(`${name}.${ending}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return null;
    });
    if (packed) encodings[encoding] = packed;
  }
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`, encodings };
}
