import assert from 'node:assert/strict';
import { readlink, realpath } from 'node:fs/promises';
import { type IncomingHttpHeaders, request as send } from 'node:http';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { conversationId } from '../../functions/conversation/identifier.ts';
import { suggestionsOf } from '../../scripts/bot/suggestions.ts';
import { eventually, request, say, unique, usePlatform } from './fixture.ts';

// Another desk than ours: the shop's tickets.
const fixture = usePlatform({ DESK: 'tickets' });

test('the gateway runs by the Node that it was given', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async () => {
  const { pid } = fixture.platform.running.gateway!.child;
  assert.equal(await readlink(`/proc/${pid}/exe`), await realpath(process.env.GATEWAY_NODE ?? process.execPath));
});

test('a turn over the HTTP API gets its reply from the real model', async () => {
  const answer = await say(fixture.platform, unique('c'), 'what are your opening hours?');
  assert.equal(answer.status, 200);
  assert.equal(answer.body.status, 'answered');
  assert.equal(answer.body.intent.name, 'store_hours');
  assert.ok(answer.body.intent.score > 0.3 && answer.body.intent.score <= 1);
  assert.match(answer.body.replies[0].text, /10/);
  assert.equal(answer.body.model.name, 'intents');
  const metadata = await (await fetch(`${fixture.platform.inferenceUrl}/v2/models/intents`)).json();
  assert.ok((metadata as { versions: string[] }).versions.includes(answer.body.model.version));
});

test('a turn in Korean gets its reply in Korean', async () => {
  const answer = await say(fixture.platform, unique('c'), '영업시간이 어떻게 되나요?');
  assert.equal(answer.body.intent.name, 'store_hours');
  assert.match(answer.body.replies[0].text, /\p{Script=Hangul}/u);
});

test('without Prefer: wait the answer is 202 with Location and Retry-After, and is there later', async () => {
  const id = unique('c');
  const accepted = await request(fixture.platform, 'POST', `/api/conversations/${id}/messages`, {
    userId: 'u',
    text: 'thanks',
  });
  assert.equal(accepted.status, 202);
  assert.equal(accepted.body.status, 'accepted');
  assert.equal(accepted.headers.get('retry-after'), '1');
  const location = accepted.headers.get('location')!;
  assert.equal(location, `/api/conversations/${id}/messages/${accepted.body.turnId}`);
  const answered = await request(fixture.platform, 'GET', location, undefined, { prefer: 'wait=10' });
  assert.equal(answered.status, 200);
  assert.equal(answered.body.intent.name, 'thanks');
  const list = await request(fixture.platform, 'GET', `/api/conversations/${id}/messages`);
  assert.deepEqual(list.body.messages, [answered.body]);
});

test('a turn is there all the time, also in the moment in which it is answered', async () => {
  for (let round = 0; round < 8; round += 1) {
    const accepted = await request(fixture.platform, 'POST', `/api/conversations/${unique('c')}/messages`, {
      userId: 'u',
      text: 'thanks',
    });
    const location = accepted.headers.get('location')!;
    // Several, so that some look is under way whenever the answer comes.
    const looks = [1, 2, 3, 4].map(async () => {
      for (;;) {
        const { status } = await request(fixture.platform, 'GET', location);
        if (status !== 202) return status;
      }
    });
    assert.deepEqual(await Promise.all(looks), [200, 200, 200, 200]);
  }
});

test('a message sent again with its key gets the first answer; with another text, 409', async () => {
  const id = unique('c');
  const headers = { 'idempotency-key': 'k1' };
  const answers = await Promise.all(
    [1, 2, 3, 4].map(() => say(fixture.platform, id, 'where is the nearest store?', headers)),
  );
  for (const answer of answers) assert.deepEqual(answer.body, answers[0]!.body);
  const list = await request(fixture.platform, 'GET', `/api/conversations/${id}/messages`);
  assert.equal(list.body.messages.length, 1);
  const conflict = await say(fixture.platform, id, 'something else', headers);
  assert.equal(conflict.status, 409);
  assert.equal(conflict.body.code, 'idempotency_conflict');
});

test('turns of one conversation are answered in the order in which they were accepted', async () => {
  const id = unique('c');
  const path = `/api/conversations/${id}/messages`;
  for (let index = 0; index < 15; index += 1) {
    const answer = await request(
      fixture.platform,
      'POST',
      path,
      { userId: 'u', text: `thanks ${index}` },
      { 'idempotency-key': `n${index}` },
    );
    assert.equal(answer.status, 202);
  }
  const messages = await eventually(async () => {
    const { body } = await request(fixture.platform, 'GET', path);
    return body.messages.every((message: { status: string }) => message.status === 'answered') && body.messages;
  });
  assert.deepEqual(
    messages.map((message: { turnId: string }) => message.turnId),
    Array.from({ length: 15 }, (_, index) => `n${index}`),
  );
});

test('an order is cancelled over several turns, in the shop, once', async () => {
  const { platform } = fixture;
  const id = unique('c');
  const which = await say(platform, id, 'I want to cancel my order');
  assert.match(which.body.replies[0].text, /ORD-10021.*\n.*ORD-10022/);
  assert.doesNotMatch(which.body.replies[0].text, /ORD-10023/, 'what is on its way is not offered');
  const sure = await say(platform, id, 'ORD-10022');
  assert.match(sure.body.replies[0].text, /ORD-10022.*Rice cooker/);
  assert.deepEqual(sure.body.replies[0].suggestions, ['Yes, cancel it', 'No, keep it']);
  const done = await say(platform, id, 'yes');
  assert.match(done.body.replies[0].text, /ORD-10022 is cancelled/);
  const orders = await fetch(`${platform.shop.url}/customers/user-of-${id}/orders/ORD-10022`);
  assert.equal(((await orders.json()) as { status: string }).status, 'cancelled');
  const status = await say(platform, id, 'where is my order ORD-10022?');
  assert.match(status.body.replies[0].text, /has been cancelled/);
});

test('the same in Korean, by place, and with a change of mind', async () => {
  const id = unique('c');
  await say(fixture.platform, id, '주문 취소해 주세요');
  const sure = await say(fixture.platform, id, '첫번째요');
  assert.match(sure.body.replies[0].text, /ORD-10021.*러닝화.*취소할까요/);
  const kept = await say(fixture.platform, id, '아니요');
  assert.match(kept.body.replies[0].text, /그대로/);
});

test('a question in between is answered, and the bot comes back to what it asked', async () => {
  const id = unique('c');
  await say(fixture.platform, id, 'cancel my order');
  await say(fixture.platform, id, 'the rice cooker');
  const hours = await say(fixture.platform, id, 'when do you open?');
  assert.equal(hours.body.intent.name, 'store_hours');
  assert.match(hours.body.replies[1].text, /Back to cancelling order ORD-10022/);
  const unclear = await say(fixture.platform, id, 'ok leave it');
  assert.doesNotMatch(unclear.body.replies[0].text, /is cancelled/);
  const kept = await say(fixture.platform, id, 'No, keep it');
  assert.match(kept.body.replies[0].text, /stays as it is/);
});

test('after two turns that nobody understands a person is asked, gets what is written, and gives back', async () => {
  const { platform } = fixture;
  const id = unique('c');
  const first = await say(platform, id, 'blue banana philosophy');
  assert.equal(first.body.intent.name, 'none');
  assert.ok(first.body.replies[0].suggestions.length >= 2);
  const second = await say(platform, id, 'zzkqx wwpf mmvb');
  const ticket = /T-\d+/.exec(second.body.replies[0].text)![0];
  await say(platform, id, 'it is about my invoice of May');
  assert.deepEqual(platform.shop.tickets.get(ticket)!.messages, ['zzkqx wwpf mmvb', 'it is about my invoice of May']);
  await say(platform, id, 'back to the bot');
  assert.equal(platform.shop.tickets.get(ticket)!.open, false);
  const hours = await say(platform, id, 'what are your opening hours?');
  assert.equal(hours.body.intent.name, 'store_hours');
});

test('a question of the FAQ is answered by its entry; what was offered and tapped is kept as another way to ask', async () => {
  const { platform } = fixture;
  const wifi = await say(platform, unique('c'), '매장 와이파이 비밀번호가 뭔가요?');
  assert.match(wifi.body.replies[0].text, /Maru_Guest/);
  assert.deepEqual([wifi.body.intent.name, wifi.body.faq.entry], ['faq', 'shop_wifi']);
  const id = unique('c');
  // Little of it is of the shop: it is asked again.
  const unsure = await say(platform, id, 'compostable mailers?');
  assert.equal(unsure.body.intent.name, 'none');
  const offered: string[] = unsure.body.replies.at(-1).suggestions;
  const tapped = await say(platform, id, offered[0]!);
  assert.equal(tapped.body.intent.score, 1);
  Object.assign(process.env, platform.settings);
  const { meantTurns } = await import('../../functions/services/call-log.ts');
  const own = async () => (await meantTurns(100, 0)).filter(({ meant }) => meant === 'compostable mailers?');
  await eventually(async () => (await own()).length === 1, 10);
  const [{ text, understanding }] = (await own()) as [Awaited<ReturnType<typeof own>>[number]];
  assert.deepEqual([text, understanding?.score], [offered[0], 1]);
  assert.deepEqual(suggestionsOf([...(await own()), ...(await own())]), [
    {
      of: understanding!.intent === 'faq' ? `faq/${understanding!.faq!.entry}` : understanding!.intent,
      language: 'en',
      said: 'compostable mailers?',
      times: 2,
    },
  ]);
});

test('products are found in the shop with price, stock and picture', async () => {
  const answer = await say(fixture.platform, unique('c'), '전기밥솥 재고 있나요?');
  assert.match(answer.body.replies[0].text, /전기밥솥, 189,000원: 재고 6개/);
  const picture = await fetch(answer.body.replies[0].cards[0].image.url);
  assert.equal(picture.headers.get('content-type'), 'image/png');
});

test('feedback is kept with the turn; everything about a user can be exported and erased', async () => {
  const { platform } = fixture;
  const id = unique('c');
  const user = `user-of-${id}`;
  const answer = await say(platform, id, 'how many points do I have?');
  const path = `/api/conversations/${id}/messages/${answer.body.turnId}/feedback`;
  const rated = await eventually(async () => {
    const response = await request(platform, 'POST', path, { rating: 'down', comment: 'I meant coupons' });
    return response.status === 200 && response;
  });
  assert.equal(rated.body.feedback.rating, 'down');
  const exported = await request(platform, 'GET', `/api/users/${user}/export`);
  const [data] = exported.body.users;
  assert.equal(data.user.givenId, user);
  assert.equal(data.conversations[0].id, conversationId('api', id));
  assert.equal(data.turns[0].feedback.comment, 'I meant coupons');
  assert.equal(data.turns[0].text, 'how many points do I have?');
  const erased = await request(platform, 'DELETE', `/api/users/${user}`);
  assert.deepEqual(erased.body.removed, { users: 1, conversations: 1, turns: 1, incidents: 0, attachments: 0 });
  assert.equal((await request(platform, 'GET', `/api/users/${user}/export`)).status, 404);
  assert.equal((await request(platform, 'GET', `/api/conversations/${id}/messages`)).status, 404);
});

test('health answers without a key, and OpenAPI 3.1 names every route of the API', async () => {
  const { gateway } = fixture.platform;
  assert.equal((await fetch(`${gateway}/api/health`)).status, 200);
  const document = (await (await fetch(`${gateway}/api/openapi.json`)).json()) as {
    openapi: string;
    paths: object;
    components: { schemas: object };
  };
  assert.equal(document.openapi, '3.1.0');
  assert.ok('/api/conversations/{conversationId}/messages' in document.paths);
  assert.ok('MessageRequest' in document.components.schemas);
  const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g)!;
  for (const reference of references) assert.ok(reference.split('/').at(-1)! in document.components.schemas, reference);
});

test('the page is packed as the client takes it, and not sent again to whoever has it', async () => {
  const { gateway } = fixture.platform;
  const get = (headers: Record<string, string>) =>
    new Promise<{ headers: IncomingHttpHeaders; status: number; bytes: Buffer }>((resolve, reject) => {
      const asked = send(`${gateway}/chat/webchat.js`, { headers }, async (response) => {
        const bytes = Buffer.concat(await response.toArray());
        resolve({ headers: response.headers, status: response.statusCode!, bytes });
      });
      asked.once('error', reject).end();
    });
  const plain = await get({});
  assert.equal(plain.headers['content-encoding'], undefined);
  for (const [encoding, unpack, most] of [
    ['br', brotliDecompressSync, 0.3],
    ['gzip', gunzipSync, 0.35],
  ] as const) {
    const { status, bytes, headers } = await get({ 'accept-encoding': `${encoding}, identity;q=0.1` });
    assert.deepEqual([status, headers['content-encoding'], headers.vary], [200, encoding, 'accept-encoding']);
    assert.ok(unpack(bytes).equals(plain.bytes));
    assert.ok(bytes.length < most * plain.bytes.length, `${encoding}: ${bytes.length} of ${plain.bytes.length}`);
  }
  const { etag } = plain.headers;
  const again = await get({ 'if-none-match': etag! });
  assert.deepEqual([again.status, again.bytes.length], [304, 0]);
  assert.equal((await get({ 'if-none-match': '"another"' })).status, 200);
});
