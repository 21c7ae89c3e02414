import { createHmac, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import type { Platform } from '../local/platform.ts';

/** What a flood of wrong activities and tokens was answered with. */
export interface Flooded {
  activities: number;
  tokens: number;
  /** What should not have been: a fault of ours, or a token that was taken. */
  failures: string[];
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Values that no field expects. */
const strange: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    0,
    -1,
    1e308,
    '',
    ' ',
    '..',
    '\0',
    '\u202e',
    '{{7*7}}',
    '<script>alert(1)</script>',
    '[',
    [],
    {},
    [[[]]],
    { id: '' },
    { id: '..' },
    { id: null },
    JSON.parse('{"__proto__": {"type": "message"}, "constructor": 1, "toString": null}'),
    'x'.repeat(5_000),
    '가'.repeat(3_999),
    'https://169.254.169.254/latest/meta-data',
    'file:///etc/passwd',
  ),
  fc.integer({ min: 1, max: 2_000 }).map((levels) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as Json),
  fc.jsonValue() as fc.Arbitrary<Json>,
);
const FIELDS = [
  'type',
  'id',
  'channelId',
  'serviceUrl',
  'from',
  'recipient',
  'conversation',
  'text',
  'locale',
  'attachments',
  'entities',
  'channelData',
  'value',
  'timestamp',
  'replyToId',
];
const change = fc.record({ field: fc.constantFrom(...FIELDS), value: fc.option(strange, { nil: undefined }) });

/** Sends mutated activities with a good token, and good activities with mutated tokens. */
export async function floodActivities(
  { gateway, directLine, identity, appId }: Platform,
  { activities, tokens, seed }: { activities: number; tokens: number; seed: number },
): Promise<Flooded> {
  const serviceUrl = `${directLine.url}/`;
  const good = await identity.channelToken(appId, serviceUrl);
  const failures: string[] = [];
  let serial = 0;
  const usual = (): Record<string, Json> => ({
    type: 'message',
    id: `attack-${seed}-${serial++}`,
    channelId: 'directline',
    serviceUrl,
    from: { id: `attacker-${serial % 50}` },
    recipient: { id: 'maru' },
    conversation: { id: `attack-${serial % 50}` },
    text: 'thanks',
  });
  const send = async (body: string, authorization: string) => {
    const response = await fetch(`${gateway}/api/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body,
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return { status: response.status, text };
  };

  const mutations = fc.sample(fc.array(change, { minLength: 1, maxLength: 4 }), { numRuns: activities, seed });
  for (const changes of mutations) {
    const activity = usual();
    for (const { field, value } of changes)
      if (value === undefined) delete activity[field];
      else activity[field] = value;
    const { status, text } = await send(JSON.stringify(activity), `Bearer ${good}`);
    // 401: for another channel or service than the token's.
    if (![202, 400, 401, 409, 413, 429].includes(status))
      failures.push(`activity ${JSON.stringify(changes).slice(0, 200)}: ${status} ${text.slice(0, 100)}`);
  }

  const wrong = await wrongTokens(good, { issuer: identity.issuer, appId, serviceUrl }, tokens, seed);
  for (const token of wrong) {
    const { status } = await send(JSON.stringify(usual()), token);
    if (status !== 401) failures.push(`token ${token.slice(0, 60)}…: ${status}`);
  }
  return { activities: mutations.length, tokens: wrong.length, failures };
}

/** Tokens that must not be taken: another signer's, another algorithm's, and the good one with something changed. */
async function wrongTokens(
  good: string,
  { issuer, appId, serviceUrl }: { issuer: string; appId: string; serviceUrl: string },
  count: number,
  seed: number,
): Promise<string[]> {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: issuer, aud: appId, iat: now, exp: now + 3_600, serviceurl: serviceUrl };
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const forged = (header: { alg: string; kid?: string; [more: string]: unknown }) =>
    new SignJWT(claims).setProtectedHeader(header).sign(privateKey);
  const hmac = (alg: string) => {
    const text = `${part({ alg, kid: 'local' })}.${part(claims)}`;
    return `${text}.${createHmac('sha256', 'local').update(text).digest('base64url')}`;
  };
  const fixed = [
    await forged({ alg: 'RS256', kid: 'local' }),
    await forged({ alg: 'RS256', kid: '../keys' }),
    await forged({ alg: 'RS256', kid: '' }),
    await forged({ alg: 'RS512' }),
    await forged({ alg: 'PS256', kid: 'local' }),
    await forged({ alg: 'RS256', kid: 'local', jku: 'http://127.0.0.1:1/keys' }),
    await forged({ alg: 'RS256', kid: 'local', jwk: { kty: 'RSA' } }),
    hmac('HS256'),
    hmac('hs256'),
    `${part({ alg: 'none' })}.${part(claims)}.`,
    `${part({ alg: 'None', kid: 'local' })}.${part(claims)}.`,
    good.split('.').slice(0, 2).join('.'),
    `${good}.${good}`,
    `${good} ${good}`,
    '',
  ].map((token) => `Bearer ${token}`);
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const changed = fc
    .sample(fc.tuple(fc.nat({ max: 2 }), fc.nat(), fc.integer({ min: 1, max: 63 })), { numRuns: count, seed })
    .map(([which, at, by]) => {
      const parts = [header, payload, signature].map((text) => Buffer.from(text, 'base64url'));
      // A bit of the bytes, not of their writing: the last character of base64 may have bits that say nothing.
      const bytes = parts[which]!;
      bytes[at % bytes.length]! ^= by;
      return `Bearer ${parts.map((text) => text.toString('base64url')).join('.')}`;
    });
  return [...fixed, ...changed, good, `bearer ${good}`.slice(0, 40), `Basic ${good}`];
}
