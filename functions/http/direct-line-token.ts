import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { call } from '../services/http.ts';
import { settings } from '../services/settings.ts';
import { Problem } from './problem.ts';
import { json, route } from './route.ts';

const answer = z.object({
  token: z.string(),
  conversationId: z.string().optional(),
  expires_in: z.number().optional(),
});

/**
 * POST /api/direct-line/token: a token for one conversation and one new user, so that the secret stays here.
 * The user id starts with `dl_`, as Direct Line asks for ids that a token carries.
 */
export const postDirectLineToken = route('direct-line-token', async () => {
  const { DIRECT_LINE_SECRET: secret, DIRECT_LINE_URL: url } = settings();
  if (!secret) throw new Problem('not_found', 'This bot has no Direct Line secret (DIRECT_LINE_SECRET).');
  const userId = `dl_${randomUUID()}`;
  const { body } = await call('direct-line', `${url}/tokens/generate`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}` },
    body: { user: { id: userId } },
    timeout: 5_000,
    attempts: 3,
  });
  const token = answer.parse(JSON.parse(body.toString()));
  return json(200, { ...token, userId, domain: url }, { 'cache-control': 'no-store' });
});
