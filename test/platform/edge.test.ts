import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request as send } from 'node:http';
import { test } from 'node:test';
import { request, unique, usePlatform } from './fixture.ts';

const ADDRESS = 40;
const fixture = usePlatform({ RATE_ADDRESS: String(ADDRESS), RATE_USER: '10', RATE_ANONYMOUS: '100000' });

/** One request as bytes, from an address of the caller's choice: the stand-in's caller is the last of the list. */
function raw(method: string, path: string, headers: Record<string, string> = {}) {
  const { gateway } = fixture.platform;
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const asked = send(`${gateway}${path}`, { method, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.once('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    asked.once('error', reject);
    asked.end();
  });
}

test('HEAD is GET without its body; OPTIONS says what a path takes; TRACE repeats nothing', async () => {
  const key = { 'x-functions-key': fixture.platform.key };
  for (const path of ['/api/health', '/chat', '/chat/chat.css', '/api/openapi.json']) {
    const [get, head] = [await raw('GET', path), await raw('HEAD', path)];
    assert.deepEqual([head.status, head.body], [200, ''], path);
    assert.equal(head.headers['content-type'], get.headers['content-type']);
    assert.ok(get.body.length > 0);
  }
  assert.equal((await raw('HEAD', '/api/incidents')).status, 401);
  assert.equal((await raw('HEAD', '/api/incidents', key)).status, 200);
  const options = await raw('OPTIONS', '/api/conversations/c1/messages');
  assert.deepEqual([options.status, options.body], [204, '']);
  assert.deepEqual(String(options.headers.allow).split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'POST']);
  assert.equal(options.headers['access-control-allow-origin'], undefined);
  assert.equal((await raw('OPTIONS', '/api/nothing')).status, 404);
  for (const path of ['/api/health', '/api/messages', '/api/users/u']) {
    const trace = await raw('TRACE', path, { 'x-secret': 'do not repeat me' });
    assert.equal(trace.status, 404, path);
    assert.doesNotMatch(trace.body, /do not repeat me/);
  }
});

test('every answer says that its type is its type, and pages load nothing from elsewhere and are in no frame', async () => {
  for (const path of ['/api/health', '/chat', '/chat/webchat.js', '/api/nothing', '/api/conversations/c/messages']) {
    const { headers, status } = await raw('GET', path);
    if (status !== 401) assert.equal(headers['x-content-type-options'], 'nosniff', path);
  }
  const { headers, body } = await raw('GET', '/chat');
  const policy = Object.fromEntries(
    String(headers['content-security-policy'])
      .split('; ')
      .map((directive) => [directive.split(' ')[0], directive.split(' ').slice(1)]),
  );
  assert.deepEqual(policy['default-src'], ["'none'"]);
  assert.deepEqual(policy['script-src'], ["'self'"], 'no inline script, no eval');
  assert.deepEqual(policy['frame-ancestors'], ["'none'"]);
  assert.deepEqual([policy['base-uri'], policy['form-action']], [["'none'"], ["'none'"]]);
  assert.doesNotMatch(body, /<script(?![^>]*\s(?:src=|type="application\/json"))/, 'no inline script: data alone');
  assert.doesNotMatch(body, /\son\w+=|javascript:|\{\{/i);
  const ofNothing = createHash('sha256').update('').digest('base64');
  assert.deepEqual(policy['style-src'], ["'self'", `'sha256-${ofNothing}'`], 'no style but of a file, or empty');
  assert.deepEqual(policy['require-trusted-types-for'], ["'script'"]);
});

test('an activity that is nested deep is refused, and not a fault of ours', async () => {
  const { identity, appId, directLine } = fixture.platform;
  const authorization = `Bearer ${await identity.channelToken(appId, `${directLine.url}/`)}`;
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  const activity = (from: string) =>
    `{"type":"message","id":"1","channelId":"directline","serviceUrl":"${directLine.url}/","conversation":{"id":"c"},"text":"x","from":${from}}`;
  for (const levels of [33, 1_000, 8_000]) {
    const answer = await request(fixture.platform, 'POST', '/api/messages', activity(deep(levels)), { authorization });
    assert.equal(answer.status, 400, String(levels));
    assert.equal(answer.body.code, 'invalid_message');
    assert.match(answer.body.detail, /nested deeper than 32 levels/);
  }
  const brackets = JSON.stringify({ id: '[{"\\'.repeat(60) });
  const fine = await request(fixture.platform, 'POST', '/api/messages', activity(brackets), { authorization });
  assert.equal(fine.status, 202, 'brackets in a text are no levels');
});

test('a token is looked at before the body: what can not be read is 401 without one, and 400 with', async () => {
  const { identity, appId, directLine } = fixture.platform;
  const good = `Bearer ${await identity.channelToken(appId, `${directLine.url}/`)}`;
  for (const body of ['{', '[]', 'x'.repeat(70_000), '{"type":1}']) {
    const without = await request(fixture.platform, 'POST', '/api/messages', body, { authorization: 'Bearer x.y.z' });
    assert.equal(without.status, 401, body.slice(0, 20));
    const withToken = await request(fixture.platform, 'POST', '/api/messages', body, { authorization: good });
    assert.ok([400, 413].includes(withToken.status), body.slice(0, 20));
  }
});

test('one user may say so much a minute, and another is not asked to wait for that', async () => {
  const say = (userId: string) =>
    request(fixture.platform, 'POST', `/api/conversations/${unique('c')}/messages`, { userId, text: 'thanks' });
  for (let turn = 0; turn < 10; turn += 1) assert.equal((await say('busy')).status, 202);
  const refused = await say('busy');
  assert.equal(refused.status, 429);
  assert.equal(refused.body.code, 'too_many_requests');
  const wait = Number(refused.headers.get('retry-after'));
  assert.ok(wait >= 1 && wait <= 60);
  assert.equal((await say('another')).status, 202);
});

test('an address that is refused too often is told so; a good token from there is taken all the same', async () => {
  const { identity, appId, directLine } = fixture.platform;
  const attempt = (authorization: string, forwarded = '') =>
    request(
      fixture.platform,
      'POST',
      '/api/messages',
      { type: 'typing', channelId: 'directline', serviceUrl: `${directLine.url}/` },
      {
        authorization,
        'x-forwarded-for': forwarded,
      },
    );
  let status = 401;
  for (let time = 0; time <= ADDRESS && status === 401; time += 1)
    status = (await attempt('Bearer x.y.z', `203.0.113.${time}`)).status;
  assert.equal(status, 429, 'what the caller writes into the header is not its address');
  // All users of a channel come from its addresses, and so do other bots that somebody points here.
  const good = `Bearer ${await identity.channelToken(appId, `${directLine.url}/`)}`;
  assert.equal((await attempt(good)).status, 202);
});

test('one address may ask the routes without a key so often a minute', async () => {
  let limited: Awaited<ReturnType<typeof raw>> | undefined;
  for (let time = 0; time < 2 * ADDRESS && !limited; time += 1) {
    const answer = await raw('GET', '/api/health');
    if (answer.status !== 200) limited = answer;
  }
  assert.equal(limited?.status, 429);
  assert.equal(JSON.parse(limited!.body).code, 'too_many_requests');
  const withKey = await request(fixture.platform, 'GET', '/api/incidents');
  assert.equal(withKey.status, 200, 'who has a key is not limited by address');
});
