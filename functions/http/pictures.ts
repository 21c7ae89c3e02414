import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { readPicture } from '../services/blobs.ts';
import { opened, seal, Unsealed } from '../services/seal.ts';
import { Problem } from './problem.ts';
import { read, route } from './route.ts';

const PURPOSE = 'picture';
/** As long as the picture itself stays (services/stores.ts). */
const SECONDS = 30 * 86_400;

const token = z.string().regex(/^[\w-]{1,600}(\.[\w-]{0,1200}){4}$/, 'must be a part of an address that this app gave');

/** The address of a picture that was sent to a user: whoever has it may see that one picture, for some days. */
export async function addressOf(origin: string, name: string): Promise<string> {
  return `${origin}/api/pictures/${await seal(PURPOSE, { name }, SECONDS)}`;
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
    try {
      const sealed = read('token', request.params.token ?? '', token);
      const { name } = await opened(PURPOSE, sealed, z.object({ name: z.string() }));
      return shown(await readPicture(name));
    } catch (error) {
      if (error instanceof Unsealed) throw new Problem('not_found', 'This address no longer holds.');
      throw error;
    }
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
