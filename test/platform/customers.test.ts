import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { eventually, request, unique, usePlatform } from './fixture.ts';

/** Two keys of the shop, while one is replaced by the other. */
const [older, newer, stranger] = await Promise.all([1, 2, 3].map(() => generateKeyPair('ES256')));
const rsa = await generateKeyPair('RS256');
const fixture = usePlatform({
  SHOP_SIGNING_KEYS: JSON.stringify({
    keys: [await exportJWK(older!.publicKey), { ...(await exportJWK(newer!.publicKey)), kid: 'newer' }],
  }),
});

type Key = Parameters<SignJWT['sign']>[0];
interface Claims {
  subject?: string;
  audience?: string;
  issued?: string;
  expires?: string;
  alg?: string;
}

function sign(
  key: Key,
  { subject = 'demo', audience = 'maru', issued = '0s', expires = '5m', alg = 'ES256' }: Claims = {},
) {
  const now = Math.floor(Date.now() / 1_000);
  const seconds = { '0s': 0, '-11m': -660, '-20m': -1_200, '10m': 600 }[issued] ?? 0;
  return new SignJWT()
    .setProtectedHeader({ alg })
    .setSubject(subject)
    .setAudience(audience)
    .setIssuedAt(now + seconds)
    .setExpirationTime(expires)
    .sign(key);
}

const ask = (body?: object) => request(fixture.platform, 'POST', '/api/direct-line/token', body);

/** Says something as a user of Direct Line, whoever the client claims to be. */
async function say(token: { token: string; domain: string; userId: string }, text: string, from = token.userId) {
  const headers = { authorization: `Bearer ${token.token}`, 'content-type': 'application/json' };
  const started = await fetch(`${token.domain}/conversations`, { method: 'POST', headers });
  const { conversationId } = (await started.json()) as { conversationId: string };
  const url = `${token.domain}/conversations/${conversationId}/activities`;
  await fetch(url, { method: 'POST', headers, body: JSON.stringify({ type: 'message', from: { id: from }, text }) });
  return await eventually(async () => {
    const { activities } = (await (await fetch(url, { headers })).json()) as {
      activities: { type: string; text: string; from: { role: string } }[];
    };
    return activities.find(({ type, from: by }) => type === 'message' && by.role === 'bot')?.text;
  });
}

test("a guest is asked to sign in for orders; the shop's word makes the user its customer, with either key", async () => {
  const guest = (await ask()).body;
  assert.equal(guest.customer, false);
  assert.match(await say(guest, 'where is my order?'), /sign in/i);
  assert.match(await say((await ask({})).body, '주문 어디쯤 왔나요?'), /로그인/);
  for (const key of [older!, newer!]) {
    const { status, body } = await ask({ customerToken: await sign(key.privateKey) });
    assert.equal(status, 200);
    assert.equal(body.customer, true);
    assert.match(await say(body, 'where is my order?'), /ORD-10021/);
  }
});

test('any other token is 401: another key, another bot, too old, not yet, no customer, another algorithm, none', async () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  const claims = part({ sub: 'demo', aud: 'maru', iat: now, exp: now + 300 });
  const publicKey = JSON.stringify(await exportJWK(older!.publicKey));
  const hs256 = `${part({ alg: 'HS256' })}.${claims}`;
  const good = await sign(older!.privateKey);
  const without = (name: 'sub' | 'exp' | 'iat') => {
    const all: Record<string, unknown> = { sub: 'demo', aud: 'maru', iat: now, exp: now + 300 };
    delete all[name];
    return new SignJWT(all).setProtectedHeader({ alg: 'ES256' }).sign(older!.privateKey);
  };
  const ed = generateKeyPairSync('ed25519');
  const cases: Record<string, string> = {
    empty: '',
    garbage: 'garbage',
    'another key': await sign(stranger!.privateKey),
    'another kind of key': await sign(rsa.privateKey, { alg: 'RS256' }),
    'an Ed25519 key': await sign(ed.privateKey, { alg: 'EdDSA' }),
    'another bot': await sign(older!.privateKey, { audience: 'another' }),
    expired: await sign(older!.privateKey, { issued: '-20m', expires: '-10m' }),
    'too old, whatever it says of its end': await sign(older!.privateKey, { issued: '-20m', expires: '10y' }),
    'of the future': await sign(older!.privateKey, { issued: '10m', expires: '20m' }),
    'no customer': await without('sub'),
    'no end': await without('exp'),
    'no beginning': await without('iat'),
    'a customer who is a path': await sign(older!.privateKey, { subject: '..' }),
    'a customer who is another path': await sign(older!.privateKey, { subject: 'demo/orders' }),
    'no algorithm': `${part({ alg: 'none' })}.${claims}.`,
    'signed with what is public': `${hs256}.${createHmac('sha256', publicKey).update(hs256).digest('base64url')}`,
    tampered: `${good.slice(0, -8)}AAAAAAAA`,
    'with other claims': [
      good.split('.')[0],
      part({ sub: 'victim', aud: 'maru', iat: now, exp: now + 300 }),
      good.split('.')[2],
    ].join('.'),
  };
  for (const [name, customerToken] of Object.entries(cases)) {
    const { status, body } = await ask({ customerToken });
    assert.equal(status, 401, name);
    assert.equal(body.code, 'unauthorized', name);
  }
  assert.equal((await ask({ customerToken: 'x'.repeat(5_000) })).status, 400);
  assert.equal((await ask({ customerToken: good, userId: 'demo' })).status, 400, 'nobody names a user');
});

test('nobody speaks for another: the token says who writes, and an id that is like a customer is none', async () => {
  const customer = (await ask({ customerToken: await sign(older!.privateKey, { subject: 'victim' }) })).body;
  const guest = (await ask()).body;
  assert.match(await say(guest, 'where is my order?', customer.userId), /sign in/i);
  assert.match(await say((await ask()).body, 'where is my order?', 'victim'), /sign in/i);
  const api = await request(
    fixture.platform,
    'POST',
    `/api/conversations/${unique('c')}/messages`,
    { userId: customer.userId, text: 'where is my order?' },
    { prefer: 'wait=20' },
  );
  assert.match(api.body.replies[0].text, /sign in/i, "an API user with a channel user's id is another user");
});

test('an API client names the customer with each message', async () => {
  const user = unique('user');
  const say = (body: object) =>
    request(
      fixture.platform,
      'POST',
      `/api/conversations/${unique('c')}/messages`,
      { userId: user, text: 'where is my order?', ...body },
      { prefer: 'wait=20' },
    );
  assert.match((await say({})).body.replies[0].text, /sign in/i);
  assert.match((await say({ customerId: 'demo' })).body.replies[0].text, /ORD-10021/);
  assert.match((await say({})).body.replies[0].text, /sign in/i, 'for each message: nothing is remembered of it');
  for (const customerId of ['..', '.', 'a/b', '', 'a\\b', '%2e%2e', '한']) {
    const { status, body } = await say({ customerId });
    assert.equal(status, 400, customerId);
    assert.equal(body.errors[0].field, 'customerId');
  }
});
