import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { after, describe, test } from 'node:test';
import { conversationId } from '../../functions/conversation/identifier.ts';
import { isSigned, signed } from '../../functions/services/signature.ts';
import { listen } from '../../scripts/local/listening.ts';
import { type Answer, eventually, request, say, unique, usePlatform } from './fixture.ts';

/** Another desk over a pair of webhooks, and a client that is sent what is said: both in this process, with what they received. */
const KEY = 'whsec_aHViLWtleS1vZi10aGUtdGVzdHM';
interface Received {
  path: string;
  id: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever came
  body: any;
}
const received: Received[] = [];
let answer = 204;
const theirs = await listen(
  createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const header = (name: string) => (incoming.headers[name] as string | undefined) ?? null;
    assert.ok(isSigned(KEY, header, text), 'what comes is signed');
    if (answer < 300) received.push({ path: incoming.url!, id: header('webhook-id')!, body: JSON.parse(text) });
    response.writeHead(answer).end();
  }),
  0,
);
after(() => theirs.close());

const fixture = usePlatform({
  DESK: 'webhook',
  HUB_URL: `${theirs.url}/hub`,
  HUB_KEY: KEY,
  REPLIES_URL: `${theirs.url}/replies`,
  REPLIES_KEY: KEY,
});

const of = (id: string) =>
  received.filter(({ path, body }) => path === '/hub' && body.conversationId === conversationId('api', id));

/** What the other desk says. */
async function hub(id: string, body: object, headers?: Record<string, string>): Promise<Answer> {
  const text = JSON.stringify(body);
  return await request(
    fixture.platform,
    'POST',
    `/api/hub/${conversationId('api', id)}`,
    text,
    headers ?? signed(KEY, randomUUID(), body),
  );
}

describe('another desk over webhooks', () => {
  test('is asked, told what the customer writes, answers in the chat, and gives it back', async () => {
    const { platform } = fixture;
    const id = unique('hub');
    await say(platform, id, 'what are your opening hours?');
    const asked = await say(platform, id, 'Talk to a person');
    const ticket = /ticket ([0-9A-F]{6})/.exec(asked.body.replies[0].text)![1];
    const [initiate] = of(id);
    assert.deepEqual(
      [initiate!.body.type, initiate!.body.ticket, initiate!.body.reason, initiate!.body.text],
      ['handoff.initiate', ticket, 'person', 'Talk to a person'],
    );
    assert.equal(initiate!.body.history[0].customer, 'what are your opening hours?');

    const waiting = await say(platform, id, 'it is urgent');
    assert.match(waiting.body.replies[0].text, /kept that for my colleague/);
    assert.equal((await hub(id, { type: 'handoff.status', state: 'accepted', agent: 'Hana' })).status, 204);
    assert.deepEqual((await say(platform, id, 'hello Hana')).body.replies, []);
    assert.deepEqual(
      of(id).map(({ body }) => body.type),
      ['handoff.initiate', 'message', 'message'],
    );
    const word = { type: 'message', text: 'Hello, how can I help?', agent: 'Hana' };
    const once = signed(KEY, randomUUID(), word);
    for (let round = 0; round < 2; round += 1) assert.equal((await hub(id, word, once)).status, 204);
    assert.equal((await hub(id, { type: 'handoff.status', state: 'completed', agent: 'Hana' })).status, 204);
    const { replies } = (await request(platform, 'GET', `/api/conversations/${id}/replies`)).body;
    const said = replies
      .filter(({ by }: { by: string }) => by === 'person')
      .map(({ text, name }: { text: string; name: string }) => `${name}: ${text.slice(0, 20)}`);
    assert.deepEqual(said, ['Hana: Hana is here and ans', 'Hana: Hello, how can I hel', 'Hana: Hana has left. How w']);
    assert.equal((await say(platform, id, 'what are your opening hours?')).body.intent.name, 'store_hours');
  });

  test('that can’t take it gives it back; a customer who waits goes back by themselves, and the desk is told', async () => {
    const { platform } = fixture;
    const id = unique('hub');
    await say(platform, id, 'Talk to a person');
    assert.equal((await hub(id, { type: 'handoff.status', state: 'failed' })).status, 204);
    assert.match(
      (await request(platform, 'GET', `/api/conversations/${id}/replies`)).body.replies.at(-1).text,
      /Nobody can take this/,
    );
    await say(platform, id, 'Talk to a person');
    await say(platform, id, 'Back to the bot');
    assert.deepEqual(
      of(id).map(({ body }) => body.type),
      ['handoff.initiate', 'handoff.initiate', 'handoff.cancel'],
    );
    assert.equal((await hub(id, { type: 'message', text: 'too late' })).body.code, 'not_yours');
  });

  test('that is away is told later what was left for it', async () => {
    const { platform } = fixture;
    const id = unique('hub');
    answer = 503;
    const asked = await say(platform, id, 'Talk to a person');
    assert.match(asked.body.replies[0].text, /I've kept what you said/);
    assert.equal(
      (await say(platform, id, 'what are your opening hours?')).body.intent.name,
      'store_hours',
      'the bot goes on',
    );
    answer = 204;
    // Half a minute, and the next sweep.
    await eventually(async () => of(id).some(({ body }) => body.type === 'handoff.initiate'), 60);
    const { speaker } = (await request(platform, 'GET', `/api/conversations/${id}/replies`)).body;
    assert.equal(speaker.kind, 'waiting');
    assert.equal(of(id).length, 1);
    await say(platform, id, 'Back to the bot');
  });

  test('is believed by its signature alone', async () => {
    const id = unique('hub');
    await say(fixture.platform, id, 'Talk to a person');
    const body = { type: 'handoff.status', state: 'accepted' };
    const good = signed(KEY, 'w1', body);
    const bad: Record<string, string>[] = [
      {},
      signed('another key of twenty-four signs', 'w1', body),
      { ...good, 'webhook-id': 'w2' },
      { ...good, 'webhook-signature': 'v1,AAAA' },
      signed(KEY, 'w1', { ...body, state: 'failed' }),
      signed(KEY, 'w1', body, Date.now() - 3_600_000),
      signed(KEY, 'w1', body, Date.now() + 3_600_000),
    ];
    for (const headers of bad) assert.equal((await hub(id, body, headers)).status, 401, JSON.stringify(headers));
    for (const wrong of [
      { type: 'message', text: ' ' },
      { type: 'handoff.status', state: 'whatever' },
      { type: 'else' },
    ])
      assert.equal((await hub(id, wrong)).status, 400);
    assert.equal((await hub(unique('nobody'), body)).status, 404);
  });
});

describe('a client that asks for it', () => {
  const post = (id: string, text: string, push: boolean) =>
    request(
      fixture.platform,
      'POST',
      `/api/conversations/${id}/messages`,
      { userId: `user-of-${id}`, text, push },
      { prefer: 'wait=20' },
    );

  test('is sent all that is said, in its order, signed, and again until it takes it', async () => {
    const id = unique('push');
    const own = () => received.filter(({ path, body }) => path === '/replies' && body.conversationId === id);
    const first = await post(id, 'what are your opening hours?', true);
    const [told] = await eventually(async () => own().length > 0 && own());
    assert.deepEqual(told!.body.replies, first.body.replies);
    assert.deepEqual([told!.body.turnId, told!.body.by], [first.body.turnId, 'bot']);
    await post(id, 'Talk to a person', true);
    answer = 503;
    await hub(id, { type: 'handoff.status', state: 'accepted', agent: 'Hana' });
    await hub(id, { type: 'message', text: 'I am here.', agent: 'Hana' });
    await new Promise((done) => setTimeout(done, 600));
    answer = 204;
    const texts = await eventually(async () => {
      const all = own().flatMap(({ body }) => body.replies.map(({ text }: { text: string }) => text));
      return all.includes('I am here.') && all;
    });
    assert.deepEqual(texts.slice(-2), ['Hana is here and answers you from now on.', 'I am here.']);
    assert.equal(own().at(-1)!.body.turnId, null);
    const cursors = own().map(({ body }) => Number(body.cursor));
    assert.deepEqual(
      cursors,
      [...cursors].sort((a, b) => a - b),
    );
    await hub(id, { type: 'handoff.status', state: 'completed' });
    const before = own().length;
    await post(id, 'thanks', false);
    await new Promise((done) => setTimeout(done, 800));
    assert.ok(own().length <= before + 1, 'only while it asks');
  });
});
