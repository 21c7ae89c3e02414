import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { userId } from '../conversation/identifier.ts';
import { currentBot } from '../services/bot.ts';
import { customerOf } from '../services/customer-token.ts';
import { Rejected } from '../services/failure.ts';
import { callJson } from '../services/http.ts';
import { pathTo } from '../services/path.ts';
import { settings } from '../services/settings.ts';
import { logSeldom } from '../services/telemetry.ts';
import { seen } from '../services/users.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';

/** The channel that Direct Line's activities come over. */
const CHANNEL = 'directline';

const answer = z.object({
  token: z.string(),
  conversationId: z.string().optional(),
  expires_in: z.number().optional(),
});

const tokenRequest = z
  .strictObject({
    customerToken: z
      .string()
      .max(4_096)
      .optional()
      .meta({ description: "The shop's word (a JWT) that this user is its customer." }),
  })
  .meta({ id: 'TokenRequest' });

/**
 * POST /api/direct-line/token: a token for one conversation and one new user, so that the secret stays here. With the shop's
 * signed word the user is its customer from the first message on. The user id starts with `dl_`, as Direct Line asks for ids
 * that a token carries.
 */
export const postDirectLineToken = route(
  'direct-line-token',
  {
    summary: 'A Direct Line token for one conversation of one new user',
    access: 'anyone',
    body: tokenRequest.optional(),
    answers: {
      200: {
        description: 'The token.',
        schema: answer.extend({ userId: z.string(), domain: z.string(), customer: z.boolean() }),
      },
    },
    problems: ['not_found', 'unauthorized', 'direct_line_refused', 'unavailable'],
  },
  async (request) => {
    const { DIRECT_LINE_SECRET: secret, DIRECT_LINE_URL: url } = settings();
    if (!secret) throw new Problem('not_found', 'This bot has no Direct Line secret (DIRECT_LINE_SECRET).');
    const { customerToken } = request.headers.get('content-type') !== null ? await readJson(request, tokenRequest) : {};
    const customerId = customerToken === undefined ? null : await customerOf(customerToken);
    if (customerToken !== undefined && customerId === null) {
      logSeldom('warn', 'a customer token was refused');
      throw new Problem('unauthorized', 'The customer token is not signed by the shop for this bot, or is too old.');
    }
    const given = `dl_${randomUUID()}`;
    // Known before its first message can come.
    if (customerId) {
      const user = {
        id: userId({ channel: CHANNEL }, given),
        space: CHANNEL,
        givenId: given,
        customerId,
        locale: currentBot().languages.first,
      };
      await seen(user, Date.now());
    }
    const token = await tokenOf(() =>
      callJson('direct-line', pathTo('direct-line', url, 'tokens', 'generate'), answer, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}` },
        body: { user: { id: given } },
        timeout: 5_000,
        attempts: 3,
      }),
    );
    return json(
      200,
      { ...token, userId: given, domain: url, customer: customerId !== null },
      { 'cache-control': 'no-store' },
    );
  },
);

/** What Direct Line gives. Where it refuses the secret nobody can chat, and an operator must see why. */
async function tokenOf<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Rejected) || (error.status !== 401 && error.status !== 403)) throw error;
    logSeldom('error', 'Direct Line refuses the secret', { status: error.status });
    throw new Problem('direct_line_refused');
  }
}
