import { promisify } from 'node:util';
import {
  constants,
  createGunzip,
  createInflate,
  createInflateRaw,
  deflate,
  type Gunzip,
  gzip,
  type Inflate,
} from 'node:zlib';
import Negotiator from 'negotiator';
import { collectSoon } from '../garbage.ts';
import { type Head, header } from '../protocol/header.ts';
import { badRequest, HttpError } from '../protocol/http-error.ts';
import { type Arriving, JOINED_BYTES } from './arriving.ts';

/** Smaller answers are sent as they are: packing them costs more than it saves. */
const PACKED_BYTES = 1024;
/** Of what is unpacked at a time. */
const PIECE_BYTES = 256 * 1024;
const CODINGS = ['gzip', 'deflate'] as const;
type Coding = (typeof CODINGS)[number];

/** How the body of a request is packed; null: it is not. Throws 415 for a coding that is not read here. */
export function codingOf(head: Head): Coding | null {
  const given = header(head, 'content-encoding')?.trim().toLowerCase();
  if (given === undefined || given === 'identity' || given === '') return null;
  const coding = given === 'x-gzip' ? 'gzip' : CODINGS.find((known) => known === given);
  if (coding) return coding;
  throw new HttpError(415, 'Content-Encoding must be gzip or deflate', { 'accept-encoding': CODINGS.join(', ') });
}

/** A body as it was before it was packed: what it becomes counts as it arrives, within the same limits. Throws 400, 413 and 503. */
export async function unpacked(body: Buffer, coding: Coding, most: number, arriving: Arriving): Promise<Buffer> {
  const stream = unpacker(coding, body);
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    stream.end(body);
    for await (const piece of stream as AsyncIterable<Buffer>) {
      size += piece.length;
      const refused = arriving.add(piece.length, size, most);
      if (refused) throw refused;
      pieces.push(piece);
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  } catch (error) {
    throw error instanceof HttpError ? error : badRequest(`the body is not ${coding}, as Content-Encoding says`);
  } finally {
    arriving.remove(size);
    stream.destroy();
    if (size > JOINED_BYTES) collectSoon();
  }
}

function unpacker(coding: Coding, body: Buffer): Gunzip | Inflate {
  const options = { chunkSize: PIECE_BYTES };
  if (coding === 'gzip') return createGunzip(options);
  // Some clients leave the zlib header out, which "deflate" stands for.
  return ((body[0] ?? 0) & 15) === 8 ? createInflate(options) : createInflateRaw(options);
}

const pack = { gzip: promisify(gzip), deflate: promisify(deflate) };

/** How an answer may be packed for its client; null: as it is. */
export function codingFor(head: Head, body: string | Uint8Array): Coding | null {
  if (body.length < PACKED_BYTES) return null;
  const accepted = header(head, 'accept-encoding');
  if (accepted === undefined) return null;
  const chosen = new Negotiator({ headers: { 'accept-encoding': accepted } }).encoding([...CODINGS, 'identity']);
  return CODINGS.find((known) => known === chosen) ?? null;
}

export async function packed(body: string | Uint8Array, coding: Coding): Promise<Buffer> {
  return await pack[coding](body, { level: constants.Z_BEST_SPEED });
}
