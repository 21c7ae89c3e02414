import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Cookie } from '@azure/functions';
import { type Entra, startEntra } from '../../../scripts/local/entra.ts';
import { install } from '../../../scripts/local/functions-core.ts';
import { type Identity, startIdentity } from '../../../scripts/local/identity.ts';
import { callRoute, cookieHeader } from './call.ts';

/** The staff's sign-in by the code flow, against the issuer's stand-in; behind a proxy that has another name than the app. */
install();
const INSIDE = 'http://internal.example';
const PUBLIC = 'http://localhost:7999';
let identity: Identity;
let entra: Entra;

before(async () => {
  identity = await startIdentity(0);
  entra = await startEntra(0, identity);
  Object.assign(process.env, {
    COSMOS_ENDPOINT: 'http://127.0.0.1:9',
    STORAGE_CONNECTION: 'unused',
    INFERENCE_URL: 'http://127.0.0.1:9',
    SHOP_URL: 'http://127.0.0.1:9',
    CONSOLE_ISSUER: entra.issuer,
    CONSOLE_CLIENT_ID: entra.clientId,
    CONSOLE_SESSION_KEY: 'a key of the tests with enough signs',
    PUBLIC_URL: PUBLIC,
    IDENTITY_ENDPOINT: identity.endpoint,
    IDENTITY_HEADER: identity.header,
  });
});
after(async () => {
  await entra.close();
  await identity.close();
});

const begin = async (back = '/console/desk') => {
  const answer = await callRoute('auth-sign-in', `${INSIDE}/auth/sign-in?back=${encodeURIComponent(back)}`);
  return { ...answer, location: answer.headers.location! };
};

/** What the issuer does once somebody has chosen who they are: the query of the way back. */
async function choose(location: string, person = 0): Promise<string> {
  const response = await fetch(`${location}&person=${person}`, { redirect: 'manual' });
  return new URL(response.headers.get('location')!).search;
}

const end = (search: string, cookies: readonly Cookie[]) =>
  callRoute('auth-signed-in', `${INSIDE}/auth/signed-in${search}`, { headers: cookieHeader(cookies) });
const me = (headers: Record<string, string>) => callRoute('admin-me', `${INSIDE}/api/admin/me`, { headers });

test('somebody signs in, comes back to where they were, and is known by the session', async () => {
  const begun = await begin();
  assert.equal(begun.status, 302);
  const asked = new URL(begun.location).searchParams;
  assert.equal(asked.get('redirect_uri'), `${PUBLIC}/auth/signed-in`, 'as browsers reach it');
  assert.deepEqual([asked.get('response_type'), asked.get('code_challenge_method')], ['code', 'S256']);
  const done = await end(await choose(begun.location), begun.cookies);
  assert.deepEqual([done.status, done.headers.location], [302, '/console/desk']);
  for (const cookie of [...begun.cookies, ...done.cookies]) {
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Lax', '/']);
    assert.ok(!decodeURIComponent(cookie.value).includes('Mina'), 'sealed');
  }
  assert.equal(done.cookies.find(({ name }) => name === 'maru-sign-in')!.value, '', 'what it began with is over');
  const known = await me(cookieHeader(done.cookies));
  assert.deepEqual([known.body.name, known.body.roles], ['Mina Agent', ['agent']]);
  assert.equal((await me({})).status, 401);
});

test('a code is taken once, by the browser that asked for it', async () => {
  const [mine, another] = [await begin(), await begin()];
  const search = await choose(mine.location);
  assert.equal((await end(search, another.cookies)).status, 401, 'the state is another’s');
  assert.equal((await end(search, [])).status, 401);
  const changed = mine.cookies.map((cookie) => ({ ...cookie, value: `${cookie.value.slice(0, -3)}AAA` }));
  assert.equal((await end(search, changed)).status, 401);
  assert.equal((await end(search, mine.cookies)).status, 302);
  assert.equal((await end(search, mine.cookies)).status, 401, 'used');
  assert.equal((await end('?error=access_denied&state=x', mine.cookies)).status, 401);
  const wrong = new URLSearchParams(search);
  wrong.set('code', 'made-up');
  assert.equal((await end(`?${wrong}`, mine.cookies)).status, 401);
});

test('what is sealed for one purpose opens nothing else', async () => {
  const begun = await begin();
  const [signIn] = begun.cookies;
  assert.equal((await me({ cookie: `maru-session=${signIn!.value}` })).status, 401);
  const done = await end(await choose(begun.location), begun.cookies);
  const session = done.cookies.find(({ name }) => name === 'maru-session')!;
  assert.equal((await end('?code=x&state=y', [{ ...session, name: 'maru-sign-in' }])).status, 401);
});

test('the way back leads to a page of the console, and nowhere else', async () => {
  for (const back of [
    '//evil.example',
    'https://evil.example',
    '/console/../x',
    '/other',
    '/console\\evil',
    '/consolex',
    '/console/%2e%2e',
  ])
    assert.equal((await begin(back)).status, 400, back);
  assert.equal((await begin('/console')).status, 302);
});

test('a change comes from the page that browsers see, whatever the app is called inside', async () => {
  const begun = await begin();
  const done = await end(await choose(begun.location), begun.cookies);
  const post = (more: Record<string, string>) =>
    callRoute('admin-sign-out', `${INSIDE}/api/admin/sign-out`, {
      method: 'POST',
      headers: { ...cookieHeader(done.cookies), ...more },
    });
  assert.equal((await post({ origin: INSIDE })).body.code, 'wrong_origin');
  assert.equal((await post({})).body.code, 'wrong_origin');
  const out = await post({ origin: PUBLIC });
  assert.deepEqual([out.status, out.body], [200, { location: '/console' }]);
  assert.equal(out.cookies[0]!.maxAge, 0);
});

test('who has no role is somebody, and may nothing', async () => {
  const begun = await begin();
  const done = await end(await choose(begun.location, 6), begun.cookies);
  const known = await me(cookieHeader(done.cookies));
  assert.deepEqual([known.status, known.body.code], [403, 'forbidden']);
});
