import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problems } from '../../functions/http/problem.ts';
import { type Answer, eventually, request, unique, usePlatform } from './fixture.ts';

const fixture = usePlatform();
const path = (id = unique('e')) => `/api/conversations/${id}/messages`;
const post = (body: unknown, headers: Record<string, string> = {}) =>
  request(fixture.platform, 'POST', path(), body, headers);

function assertProblem(answer: Answer, code: keyof typeof problems): void {
  assert.equal(answer.body.code, code, JSON.stringify(answer.body));
  assert.equal(answer.status, problems[code].status);
  assert.equal(answer.body.status, problems[code].status);
  assert.match(answer.headers.get('content-type')!, /^application\/problem\+json/);
  assert.ok(answer.body.title && answer.body.detail);
}

test('what is not JSON is invalid_json', async () => {
  for (const body of ['', '{', 'null,', '{"userId": "u", "text": "x"', new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])])
    assertProblem(await post(body, { 'content-type': 'application/json' }), 'invalid_json');
});

test('what does not fit the schema is invalid_message, with the field and why', async () => {
  const cases: [unknown, string][] = [
    [null, '(body)'],
    [[], '(body)'],
    ['"text"', '(body)'],
    [{}, 'userId'],
    [{ userId: 1, text: 'x' }, 'userId'],
    [{ userId: 'u', text: ['x'] }, 'text'],
    [{ userId: 'u', text: '' }, 'text'],
    [{ userId: 'u', text: ' \n\t ' }, 'text'],
    [{ userId: 'u', text: 'a\u0000b' }, 'text'],
    ['{"userId": "u", "text": "\\ud83d alone"}', 'text'],
    [{ userId: 'u', text: 'x', colour: 'red' }, 'colour'],
    [{ userId: 'u/../v', text: 'x' }, 'userId'],
    [{ userId: 'u'.repeat(129), text: 'x' }, 'userId'],
    [{ userId: 'u', text: 'x', locale: 'english please' }, 'locale'],
  ];
  for (const [body, field] of cases) {
    const answer = await post(body);
    assertProblem(answer, 'invalid_message');
    assert.equal(answer.body.errors[0].field, field, JSON.stringify(body));
    assert.ok(answer.body.errors[0].reason);
  }
});

test('4,000 characters pass, 4,001 and bodies over 64 KB are message_too_large', async () => {
  assert.equal((await post({ userId: 'u', text: '가'.repeat(4_000) })).status, 202);
  assertProblem(await post({ userId: 'u', text: 'x'.repeat(4_001) }), 'message_too_large');
  assertProblem(await post({ userId: 'u', text: 'x', more: 'y'.repeat(70_000) }), 'message_too_large');
});

test('a body in chunks never arrives, as from the host: length_required, with what to send', async () => {
  const chunk = new TextEncoder().encode('x'.repeat(16_384));
  let left = 64;
  const body = new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(chunk);
      else controller.close();
    },
  });
  assertProblem(await post(body), 'length_required');
  assertProblem(await post(''), 'invalid_json');
});

test('deep nesting is answered like any other wrong shape', async () => {
  assertProblem(await post(`{"userId": "u", "text": ${'['.repeat(30_000)}${']'.repeat(30_000)}}`), 'invalid_message');
});

test('another media type is unsupported_media_type', async () => {
  assertProblem(
    await post('userId=u&text=x', { 'content-type': 'application/x-www-form-urlencoded' }),
    'unsupported_media_type',
  );
});

test('ids with slashes, control characters or too many characters are refused', async () => {
  for (const id of ['a%2Fb', 'a%00b', 'a%0Ab', '%252e%252e', 'x'.repeat(65), '%F0%9F%98%80'])
    assertProblem(await request(fixture.platform, 'POST', path(id), { userId: 'u', text: 'x' }), 'invalid_message');
  assertProblem(await post({ userId: 'u', text: 'x' }, { 'idempotency-key': 'a b' }), 'invalid_message');
  assertProblem(await request(fixture.platform, 'GET', `${path()}/${'t'.repeat(129)}`), 'invalid_message');
  assertProblem(await request(fixture.platform, 'DELETE', '/api/users/a%00b'), 'invalid_message');
});

test('unknown routes are not_found, other methods method_not_allowed, with Allow', async () => {
  assertProblem(await request(fixture.platform, 'GET', '/api/nothing'), 'not_found');
  assertProblem(await request(fixture.platform, 'GET', '/'), 'not_found');
  const answer = await request(fixture.platform, 'PUT', path(), { userId: 'u', text: 'x' });
  assertProblem(answer, 'method_not_allowed');
  assert.deepEqual(answer.headers.get('allow')!.split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'POST']);
  assertProblem(await request(fixture.platform, 'GET', path()), 'not_found');
  assertProblem(await request(fixture.platform, 'GET', `${path()}/t1`), 'not_found');
});

test('the key of the function app is asked for', async () => {
  for (const [method, where] of [
    ['POST', path()],
    ['GET', '/api/incidents'],
    ['DELETE', '/api/users/u'],
    ['GET', '/api/users/u/export'],
  ] as const)
    assert.equal(
      (await fetch(`${fixture.platform.gateway}${where}`, { method, headers: { 'x-functions-key': 'wrong' } })).status,
      401,
    );
});

test("another user's conversation looks like none", async () => {
  const where = path();
  assert.equal((await request(fixture.platform, 'POST', where, { userId: 'one', text: 'thanks' })).status, 202);
  assertProblem(await request(fixture.platform, 'POST', where, { userId: 'two', text: 'thanks' }), 'not_found');
});

test('the 101st waiting turn is inbox_full with Retry-After, and the 100 are answered', async () => {
  const { platform } = fixture;
  await platform.running.inference!.stop();
  const where = path();
  const send = (index: number) =>
    request(platform, 'POST', where, { userId: 'u', text: `thanks ${index}` }, { 'idempotency-key': `n${index}` });
  for (let index = 0; index < 100; index += 10) {
    const answers = await Promise.all(Array.from({ length: 10 }, (_, offset) => send(index + offset)));
    for (const answer of answers) assert.equal(answer.status, 202);
  }
  const full = await send(100);
  assertProblem(full, 'inbox_full');
  assert.ok(Number(full.headers.get('retry-after')) > 0);
  await platform.startInference();
  await eventually(async () => {
    const { body } = await request(platform, 'GET', where);
    return (
      body.messages.length > 0 && body.messages.every((message: { status: string }) => message.status === 'answered')
    );
  }, 60);
  assert.equal((await send(100)).status, 202);
});
