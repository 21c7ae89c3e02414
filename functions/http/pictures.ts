import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { isSent, readPicture } from '../services/blobs.ts';
import { currentBot } from '../services/bot.ts';
import { Rejected } from '../services/failure.ts';
import { lookAt } from '../services/inference.ts';
import { limitPictures } from './limits.ts';
import { Problem } from './problem.ts';
import { json, read, readBytes, route } from './route.ts';

const token = z.string().regex(/^[\w-]{100,400}$/, 'must be a part of an address that this app gave');

/**
 * The address of a picture that was sent to a user. Its name has 128 bits that nobody can guess: whoever has the address may see that
 * one picture, as long as it is kept.
 */
export function addressOf(origin: string, name: string): string {
  return `${origin}/api/pictures/${Buffer.from(name).toString('base64url')}`;
}

/** Of a picture that is tried: the page sends none that is larger. */
const TRIED_LIMIT = 1024 * 1024;
const looked = { label: z.string(), score: z.number() };

/** POST /api/pictures */
export const postPicture = route(
  'picture-look',
  {
    summary: 'What the bot’s model of pictures takes a picture for: PNG, JPEG or WebP, up to 1 MB; it is not kept',
    access: 'anyone',
    bytes: ['image/png', 'image/jpeg', 'image/webp'],
    answers: {
      200: {
        description: 'The label, “none” where it is nothing that the model knows, and the likeliest ones.',
        schema: z.object({ ...looked, top: z.array(z.object(looked)) }).meta({ id: 'PictureSeen' }),
      },
    },
    problems: ['not_found', 'not_a_picture', 'message_too_large', 'length_required', 'unavailable'],
  },
  async (request) => {
    const { pictures } = currentBot().content.about;
    if (!pictures) throw new Problem('not_found', 'This bot has no model of pictures.');
    await limitPictures();
    const body = await readBytes(request, TRIED_LIMIT);
    try {
      return json(200, await lookAt(pictures.model, body));
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      if (error.status === 404) throw new Problem('not_found', 'The model server has no model of pictures yet.');
      throw error.status === 400 ? new Problem('not_a_picture') : error;
    }
  },
);

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
