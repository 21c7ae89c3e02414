import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { conversationId, turnId, userId } from '../../functions/conversation/identifier.ts';
import { open } from '../../functions/conversation/transitions.ts';
import { type Door, type Passing, useDoors, type Verdict } from './door.ts';
import { type Answer, eventually, request, say, unique, usePlatform } from './fixture.ts';

/** Cosmos DB, the queues and the issuer of channel tokens stand behind doors. */
const { cosmos, queues, issuer } = await useDoors('cosmos', 'queues', 'issuer');

const fixture = usePlatform((ports) => {
  cosmos.target = ports.cosmos;
  queues.target = ports.queue;
  issuer.target = ports.identity;
  const account = 'devstoreaccount1';
  return {
    COSMOS_ENDPOINT: cosmos.url,
    BOT_OPENID_METADATA: `${issuer.url}/.well-known/openidconfiguration`,
    STORAGE_CONNECTION: [
      `DefaultEndpointsProtocol=http;AccountName=${account}`,
      'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
      `BlobEndpoint=http://127.0.0.1:${ports.blob}/${account}`,
      `QueueEndpoint=${queues.url}/${account}`,
    ].join(';'),
  };
});

const api = (id: string) => conversationId('api', id);
const path = (id: string) => `/api/conversations/${id}/messages`;

/** Sends the one message of a conversation, always with the same key. */
const send = (id: string, text = 'thanks', prefer = 'wait=20') =>
  request(
    fixture.platform,
    'POST',
    path(id),
    { userId: `user-of-${id}`, text },
    { 'idempotency-key': `key-of-${id}`, prefer },
  );

const list = async (id: string) => (await request(fixture.platform, 'GET', path(id))).body.messages;

async function stored(id: string) {
  const { resource } = await fixture.platform.cosmos.client
    .database('maru')
    .container('conversations')
    .item(id, id)
    .read();
  return resource;
}

function assertUnavailable(answer: Answer, about = ''): void {
  assert.equal(answer.status, 503, `${about} ${JSON.stringify(answer.body)}`);
  assert.match(answer.headers.get('content-type')!, /^application\/problem\+json/, about);
  assert.equal(answer.body.code, 'unavailable', about);
  assert.equal(answer.body.status, 503, about);
  assert.ok(Number(answer.headers.get('retry-after')) >= 1, about);
}

/** A channel's message, as often as wanted the same. */
async function activity() {
  const { platform } = fixture;
  const serviceUrl = `${platform.directLine.url}/`;
  const conversation = unique('conversation');
  const body = {
    type: 'message',
    id: unique('activity'),
    channelId: 'directline',
    serviceUrl,
    from: { id: `user-of-${conversation}` },
    recipient: { id: 'maru' },
    conversation: { id: conversation },
    text: 'thanks',
  };
  const authorization = `Bearer ${await platform.identity.channelToken(platform.appId, serviceUrl)}`;
  return {
    id: conversationId({ channel: 'directline' }, conversation),
    post: () => request(platform, 'POST', '/api/messages', body, { authorization }),
  };
}

/** The issuer's metadata, which name keys behind the same door. */
const keysAre =
  (verdict: Verdict) =>
  ({ path: asked }: Passing): Verdict =>
    asked === '/keys'
      ? verdict
      : {
          status: 200,
          body: JSON.stringify({ issuer: fixture.platform.identity.issuer, jwks_uri: `${issuer.url}/keys` }),
        };

test('what never answers is given up: the issuer of channel tokens, its keys, Cosmos DB; and what is busy', async () => {
  const { platform } = fixture;
  const [id, busy, known] = [unique('c'), unique('c'), unique('c')];
  assert.equal((await say(platform, known, 'thanks')).status, 200);
  const [first, second] = [await activity(), await activity()];
  issuer.rule = () => 'hang';
  const metadata = first.post();
  await eventually(async () => issuer.seen.length > 0);
  issuer.rule = keysAre('hang');
  const wait: Verdict = {
    status: 429,
    headers: { 'x-ms-retry-after-ms': '5100' },
    body: '{"code":"TooManyRequests","message":"busy"}',
  };
  cosmos.rule = ({ path: asked }) =>
    asked.includes(api(busy)) ? wait : asked.includes(api(id)) || asked.includes(api(known)) ? 'hang' : 'pass';
  const answers = {
    metadata,
    keys: second.post(),
    message: send(id),
    busy: send(busy),
    again: send(known),
    list: request(platform, 'GET', path(known)),
  };
  for (const [name, answer] of Object.entries(answers)) assertUnavailable(await answer, name);
  assert.equal((await answers.busy).headers.get('retry-after'), '6', 'as long as Cosmos DB asks for');
  cosmos.rule = () => 'pass';
  for (const document of [api(id), api(busy), first.id, second.id])
    assert.equal(await stored(document), undefined, document);
});

test('an issuer that can not be read makes a message unavailable; read again, the message is taken once', async () => {
  const { id, post } = await activity();
  await issuer.while(async () => assertUnavailable(await post(), 'refused'));
  const broken: Record<string, Door['rule']> = {
    'metadata: 500': () => ({ status: 500, body: '{}' }),
    'metadata: a page': () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }),
    'metadata: cut off': () => 'drop',
    'keys: 503': keysAre({ status: 503, body: '{}' }),
    'keys: cut off': keysAre('drop'),
  };
  for (const [name, rule] of Object.entries(broken)) {
    issuer.rule = rule;
    assertUnavailable(await post(), name);
  }
  assert.equal(await stored(id), undefined, 'nothing is accepted');
  issuer.rule = () => 'pass';
  assert.equal((await post()).status, 202);
  assert.equal((await post()).status, 202);
  const { recent } = await eventually(async () => {
    const document = await stored(id);
    return document.inbox.length === 0 && document;
  });
  assert.equal(recent.length, 1);
  assert.equal(recent[0].outcome, 'answered');
});

/** Document ids of accepted turns whose wake-ups were lost. */
const unheard: string[] = [];

test('while the queues are down, turns are accepted all the same', async () => {
  const { platform } = fixture;
  const id = unique('c');
  const channel = await activity();
  await queues.while(async () => {
    const [answer, activityAnswer] = await Promise.all([send(id, 'thanks', 'wait=0'), channel.post()]);
    assert.equal(answer!.status, 202, JSON.stringify(answer!.body));
    assert.equal(activityAnswer!.status, 202, JSON.stringify(activityAnswer!.body));
    assert.equal((await list(id))[0].status, 'accepted');
    const health = await request(platform, 'GET', '/api/health');
    assert.equal(health.status, 200);
  });
  unheard.push(api(id), channel.id);
});

test('a write that was made but whose answer was lost is known by its key', async () => {
  const id = unique('c');
  cosmos.rule = ({ method, path: asked, body }) =>
    method === 'POST' && asked.endsWith('/conversations/docs') && body.includes(api(id)) ? 'lose' : 'pass';
  assertUnavailable(await send(id));
  cosmos.rule = () => 'pass';
  const again = await send(id, 'thanks', 'wait=0');
  assert.ok([200, 202].includes(again.status), JSON.stringify(again.body));
  assert.equal((await send(id, 'other')).status, 409);
  unheard.push(api(id));
});

describe('Cosmos DB', () => {
  test('down: whatever needs it is unavailable, nothing is half-done; back, the same key is answered once', async () => {
    const { platform } = fixture;
    const before = unique('c');
    const { turnId } = (await say(platform, before, 'thanks')).body;
    const channel = await activity();
    const id = unique('c');
    await cosmos.while(async () => {
      const answers = {
        send: send(id),
        again: send(before),
        list: request(platform, 'GET', path(before)),
        read: request(platform, 'GET', `${path(before)}/${turnId}`),
        feedback: request(platform, 'POST', `${path(before)}/${turnId}/feedback`, { rating: 'up' }),
        export: request(platform, 'GET', `/api/users/user-of-${before}/export`),
        erase: request(platform, 'DELETE', `/api/users/user-of-${before}`),
        incidents: request(platform, 'GET', '/api/incidents'),
        channel: channel.post(),
      };
      for (const [name, answer] of Object.entries(answers)) assertUnavailable(await answer, name);
      assert.equal((await request(platform, 'GET', '/api/health')).status, 200, 'this process is as healthy as before');
    });
    assert.equal((await request(platform, 'GET', path(id))).status, 404);
    assert.equal(await stored(channel.id), undefined);
    assert.equal((await list(before)).length, 1);
    const answers = await Promise.all([send(id), send(id)]);
    for (const { status, body } of answers) assert.deepEqual([status, body], [200, answers[0].body]);
    assert.equal(answers[0].body.status, 'answered');
    assert.deepEqual(await list(id), [answers[0].body]);
    assert.equal((await channel.post()).status, 202);
    await eventually(async () => (await stored(channel.id)).recent.length === 1);
  });

  test('failing at the write leaves the conversation as it was', async () => {
    const { platform } = fixture;
    const known = unique('c');
    const { body } = await say(platform, known, 'thanks');
    await eventually(async () => (await stored(api(known))).wakeAt === null);
    const id = unique('c');
    cosmos.rule = ({ method, path: asked, body: document }) =>
      (method === 'PUT' || method === 'POST') && /\/conversations\/docs/.test(asked) && /"conversation\./.test(document)
        ? 'drop'
        : 'pass';
    for (const fresh of [id, known]) assertUnavailable(await send(fresh), fresh);
    assert.equal((await request(platform, 'GET', path(id))).status, 404);
    assert.deepEqual(await list(known), [body]);
    cosmos.rule = () => 'pass';
    for (const fresh of [id, known]) assert.equal((await send(fresh)).body.status, 'answered');
    assert.equal((await list(id)).length, 1);
    assert.equal((await list(known)).length, 2);
  });

  test('refusing a document over its limit: a message gets inbox_full, an answer waits, nothing is lost', async () => {
    const { platform } = fixture;
    const id = unique('c');
    await say(platform, id, 'thanks');
    await eventually(async () => (await stored(api(id))).wakeAt === null);
    const tooLarge: Verdict = {
      status: 413,
      body: JSON.stringify({ code: 'RequestEntityTooLarge', message: 'Request size is too large' }),
    };
    const write = ({ method, path: asked }: Passing) => method === 'PUT' && asked.endsWith(`/${api(id)}`);
    cosmos.rule = (passing) => (write(passing) ? tooLarge : 'pass');
    const full = await send(id, 'thanks again');
    assert.equal(full.status, 429, JSON.stringify(full.body));
    assert.equal(full.body.code, 'inbox_full');
    assert.match(full.headers.get('content-type')!, /^application\/problem\+json/);
    assert.ok(Number(full.headers.get('retry-after')) >= 1);
    assert.equal((await list(id)).length, 1);

    // Accepted, but its answer is refused once.
    let refused = 0;
    cosmos.rule = (passing) => {
      if (!write(passing) || JSON.parse(passing.body).inbox.length > 0 || refused > 0) return 'pass';
      refused += 1;
      return tooLarge;
    };
    const answer = await send(id, 'thanks again');
    assert.equal(answer.body.status, 'answered');
    assert.equal(refused, 1);
    assert.equal((await list(id)).length, 2);
  });

  test('never gets a document over 2 MiB: the fullest conversation answers inbox_full', async () => {
    const { platform } = fixture;
    const LIMIT = 2 * 1024 * 1024;
    const id = unique('c');
    const now = Date.now();
    const text = '가'.repeat(4_000);
    const waiting = (key: string) => ({
      id: turnId(key),
      givenId: key,
      userId: userId('api', `user-of-${id}`),
      customerId: null,
      text,
      attachments: [],
      locale: 'ko',
      fingerprint: 'x'.repeat(43),
      traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
      acceptedAt: now,
      attempts: 0,
      // Nobody works on it.
      retryAt: now + 3_600_000,
    });
    const answered = (key: string) => ({
      ...waiting(key),
      answeredAt: now,
      replies: [{ text: '나'.repeat(400) }],
      outcome: 'answered',
      skill: 'answer',
      understanding: null,
      logged: true,
      deliveredAt: null,
      timings: {},
    });
    const many = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
    await platform.cosmos.client
      .database('maru')
      .container('conversations')
      .items.create({
        ...open(api(id), userId('api', `user-of-${id}`), { kind: 'api' }, 'ko', now),
        recent: many(20, 'r').map(answered),
        inbox: many(95, 'w').map(waiting),
      } as never);
    let largest = 0;
    cosmos.rule = ({ method, body }) => {
      if (method !== 'PUT') return 'pass';
      largest = Math.max(largest, Buffer.byteLength(body));
      return Buffer.byteLength(body) > LIMIT ? { status: 413, body: '{"code":"RequestEntityTooLarge"}' } : 'pass';
    };
    let accepted = 95;
    let answer: Answer;
    for (;;) {
      const body = { userId: `user-of-${id}`, text };
      answer = await request(platform, 'POST', path(id), body, { 'idempotency-key': `n${accepted}` });
      if (answer.status !== 202) break;
      accepted += 1;
      assert.ok(accepted <= 100);
    }
    assert.equal(answer.status, 429, JSON.stringify(answer.body));
    assert.equal(answer.body.code, 'inbox_full');
    assert.ok(largest > 1_400_000 && largest < LIMIT, `${largest} bytes`);
    assert.deepEqual(
      (await stored(api(id))).inbox.map((turn: { givenId: string }) => turn.givenId),
      [...many(95, 'w'), ...Array.from({ length: accepted - 95 }, (_, index) => `n${95 + index}`)],
    );
  });
});

test('what no queue has heard of is answered: the timer finds it', async () => {
  for (const id of unheard) {
    await eventually(async () => (await stored(id)).inbox.length === 0, 45);
    const { recent } = await stored(id);
    assert.equal(recent.length, 1);
    assert.equal(recent[0].outcome, 'answered');
  }
});

describe('keys of the issuer that never come whole', () => {
  const whole = () => fetch(`${fixture.platform.identity.url}/keys`).then((response) => response.text());
  // A new process has no keys.
  beforeEach(async () => {
    await fixture.platform.running.gateway!.kill();
    await fixture.platform.startGateway();
    issuer.seen = [];
  });

  test('are no reason to refuse good tokens, neither meanwhile nor after', async () => {
    const { post } = await activity();
    issuer.rule = keysAre({ status: 200, body: await whole(), cut: true });
    const first = post();
    await eventually(async () => issuer.seen.includes('GET /keys'));
    const meanwhile = await post();
    assertUnavailable(await first, 'reads the keys');
    issuer.rule = () => 'pass';
    assert.equal((await post()).status, 202, 'after');
    assertUnavailable(meanwhile, 'while another reads the keys');
  });

  test('or are no keys at all', async () => {
    const { post } = await activity();
    issuer.rule = keysAre({ status: 200, body: '<html>' });
    assertUnavailable(await post());
    assertUnavailable(await post(), 'again');
    issuer.rule = () => 'pass';
    assert.equal((await post()).status, 202, 'after');
  });
});
