import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { install } from '../../../scripts/local/functions-core.ts';
import { callRoute } from './call.ts';

/** Where App Service signs in (Easy Auth): it says so, and who it is, in a header that it takes from nobody else. */
install();
const PUBLIC = 'https://chat.example.com';

before(() => {
  Object.assign(process.env, {
    COSMOS_ENDPOINT: 'http://127.0.0.1:9',
    STORAGE_CONNECTION: 'unused',
    INFERENCE_URL: 'http://127.0.0.1:9',
    SHOP_URL: 'http://127.0.0.1:9',
    WEBSITE_AUTH_ENABLED: 'True',
    CONSOLE_SESSION_KEY: 'a key of the tests with enough signs',
    PUBLIC_URL: PUBLIC,
  });
});

const header = (value: unknown) => ({
  'x-ms-client-principal': Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64'),
});
const claims = (...roles: string[]) => ({
  auth_typ: 'aad',
  name_typ: 'name',
  role_typ: 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role',
  claims: [
    { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: 'oid-of-mina' },
    { typ: 'name', val: 'Mina' },
    ...roles.map((val) => ({ typ: 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role', val })),
  ],
});
const me = (headers: Record<string, string>) => callRoute('admin-me', 'http://inside/api/admin/me', { headers });

test('who it says is who it is, with the roles of the app', async () => {
  const known = await me(header(claims('agent', 'something else')));
  assert.deepEqual(known.body, { id: 'oid-of-mina', name: 'Mina', roles: ['agent'] });
  assert.equal((await me(header(claims()))).body.code, 'forbidden');
});

test('without it, or where it says nothing, nobody is known', async () => {
  for (const headers of [
    {},
    header('not json'),
    header({}),
    header({ claims: [{ typ: 'name', val: 'Mina' }] }),
    header('{"claims":1}'),
  ])
    assert.equal((await me(headers)).status, 401, JSON.stringify(headers));
});

test('it signs in and out by its own pages; a change must come from a page of this app all the same', async () => {
  const begun = await callRoute('auth-sign-in', 'http://inside/auth/sign-in?back=%2Fconsole%2Fdesk');
  assert.equal(begun.headers.location, '/.auth/login/aad?post_login_redirect_uri=%2Fconsole%2Fdesk');
  const out = (more: Record<string, string>) =>
    callRoute('admin-sign-out', 'http://inside/api/admin/sign-out', {
      method: 'POST',
      headers: { ...header(claims('viewer')), ...more },
    });
  assert.equal((await out({})).body.code, 'wrong_origin');
  const done = await out({ origin: PUBLIC });
  assert.equal(done.body.location, '/.auth/logout?post_logout_redirect_uri=/console');
  // Reached by TLS, cookies are bound to this very host.
  assert.deepEqual([done.cookies[0]!.name, done.cookies[0]!.secure], ['__Host-maru-session', true]);
});
