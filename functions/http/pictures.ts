import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { isSent, readPicture } from '../services/blobs.ts';
import { Problem } from './problem.ts';
import { read, route } from './route.ts';

const token = z.string().regex(/^[\w-]{100,400}$/, 'must be a part of an address that this app gave');

/**
 * The address of a picture that was sent to a user. Its name has 128 bits that nobody can guess: whoever has the address may see that
 * one picture, as long as it is kept.
 */
export function addressOf(origin: string, name: string): string {
  return `${origin}/api/pictures/${Buffer.from(name).toString('base64url')}`;
}

/** GET /api/pictures/{token} */
export const getSentPicture = route(
  'pictures',
  {
    summary: 'A picture that a person has sent',
    access: 'anyone',
    path: z.object({ token }),
    answers: { 200: { description: 'The picture.', types: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'] } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const name = Buffer.from(read('token', request.params.token ?? '', token), 'base64url').toString();
    return shown(isSent(name) ? await readPicture(name) : null);
  },
);

/** A picture as a browser may have it: whatever it is, it is shown as one, and nothing else. */
export function shown(picture: { contentType: string; bytes: Buffer } | null): HttpResponseInit {
  if (!picture) throw new Problem('not_found', 'This picture was not kept, or is no longer.');
  return {
    status: 200,
    headers: {
      'content-type': picture.contentType,
      'cache-control': 'private, max-age=3600',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-disposition': 'inline',
    },
    body: picture.bytes,
  };
}
