import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { conversationId } from '../../functions/conversation/identifier.ts';
import { routes } from '../../functions/http/routes.ts';
import type { Lesson } from '../../functions/services/lessons.ts';
import { ROLES, type Role } from '../../functions/services/sign-in.ts';
import { asContent } from '../../scripts/bot/suggestions.ts';
import { asStaff, eventually, request, say, unique, usePlatform } from './fixture.ts';

/** Customers over the HTTP API, and the staff over the console's. What a browser does is in test/e2e/desk.test.ts. */
const fixture = usePlatform();

const staff = (name: string, method: string, path: string, body?: unknown, roles: readonly Role[] = ['agent']) =>
  asStaff(fixture.platform, { name, roles }, method, path, body);

const of = (given: string) => `desk/${conversationId('api', given)}`;

/** A customer who waits for a person. */
async function waiting(): Promise<string> {
  const id = unique('desk');
  const asked = await say(fixture.platform, id, 'Talk to a person');
  assert.match(asked.body.replies.at(-1).text, /You're number \d+ in the queue/);
  return id;
}

async function taken(by = 'Mina'): Promise<string> {
  const id = await waiting();
  assert.equal((await staff(by, 'POST', `${of(id)}/take`, {})).status, 204);
  return id;
}

const words = (text: string, key = unique('k')) => ({ key, text });

interface Said {
  text: string;
  by: string;
  name?: string;
}

/** What an API client has been told so far, in order. */
async function heard(id: string): Promise<Said[]> {
  return (await request(fixture.platform, 'GET', `/api/conversations/${id}/replies`)).body.replies;
}

describe('a conversation with a person', () => {
  test('is asked for, taken, held, and given back; the customer hears who speaks', async () => {
    const { platform } = fixture;
    const id = await waiting();
    const list = (await staff('Mina', 'GET', 'desk')).body;
    const own = list.conversations.find(
      (one: { conversationId: string }) => one.conversationId === conversationId('api', id),
    );
    assert.equal(own.speaker.kind, 'waiting');
    assert.equal(own.speaker.reason, 'person');
    assert.equal(own.locale, 'en');
    const meanwhile = await say(platform, id, 'my phone is 010-1234-5678');
    assert.match(meanwhile.body.replies[0].text, /kept that for my colleague/);

    assert.equal((await staff('Mina', 'POST', `${of(id)}/take`, {})).status, 204);
    const asked = await say(platform, id, 'what are your opening hours?');
    assert.deepEqual(asked.body.replies, [], 'the bot knows, and says nothing');
    const { turns, speaker } = (await staff('Mina', 'GET', of(id))).body;
    assert.equal(speaker.agent.name, 'Mina');
    assert.ok(
      turns.some(({ text }: Said) => text.includes('010-1234-5678')),
      'who is to call back needs the number',
    );
    assert.equal(turns.at(-1).intent.name, 'store_hours', 'what the bot understood is there to see');

    assert.equal((await staff('Mina', 'POST', `${of(id)}/messages`, words('Until ten tonight.'))).status, 204);
    assert.equal((await staff('Mina', 'POST', `${of(id)}/give-back`, {})).status, 204);
    const after = (await staff('Mina', 'GET', of(id))).body;
    assert.equal(after.speaker.kind, 'bot');
    assert.ok(!JSON.stringify(after.turns).includes('010-1234-5678'), 'nobody needs it any more');
    const hours = await say(platform, id, 'what are your opening hours?');
    assert.match(hours.body.replies[0].text, /10/);
    const all = await heard(id);
    assert.deepEqual(
      all.slice(-4).map(({ by, name, text }) => [by, name ?? '', text.slice(0, 12)]),
      [
        ['person', 'Mina', 'Mina is here'],
        ['person', 'Mina', 'Until ten to'],
        ['person', 'Mina', 'Mina has lef'],
        ['bot', '', hours.body.replies[0].text.slice(0, 12)],
      ],
    );
  });

  test('can’t be taken by two, nor spoken in by another', async () => {
    const id = await waiting();
    const both = await Promise.all(['Mina', 'Jun'].map((name) => staff(name, 'POST', `${of(id)}/take`, {})));
    assert.deepEqual(both.map(({ status }) => status).sort(), [204, 409]);
    const loser = both[0]!.status === 409 ? 'Mina' : 'Jun';
    assert.equal(both.find(({ status }) => status === 409)!.body.code, 'taken');
    for (const [path, body] of [
      ['messages', words('hi')],
      ['pass', { to: null }],
      ['give-back', {}],
      ['close', { wrapUp: 'solved' }],
      ['typing', {}],
    ] as const) {
      const refused = await staff(loser, 'POST', `${of(id)}/${path}`, body);
      assert.deepEqual([path, refused.status, refused.body.code], [path, 409, 'not_yours']);
    }
  });

  test('a word that is sent again is said once, and all come in their order', async () => {
    const id = await taken();
    const message = words('once');
    for (let round = 0; round < 3; round += 1)
      assert.equal((await staff('Mina', 'POST', `${of(id)}/messages`, message)).status, 204);
    for (let count = 0; count < 5; count += 1)
      await staff('Mina', 'POST', `${of(id)}/messages`, words(`word ${count}`));
    const texts = (await heard(id)).map(({ text }) => text);
    assert.deepEqual(texts.slice(-6), ['once', ...Array.from({ length: 5 }, (_, count) => `word ${count}`)]);
  });

  test('a customer who waits goes back to the bot at any time, and is no longer in the queue', async () => {
    const { platform } = fixture;
    const id = await waiting();
    const back = await say(platform, id, 'Back to the bot');
    assert.match(back.body.replies[0].text, /back with the bot/);
    const list = (await staff('Mina', 'GET', 'desk')).body;
    assert.ok(
      !list.conversations.some((one: { conversationId: string }) => one.conversationId === conversationId('api', id)),
    );
    assert.equal((await say(platform, id, 'what are your opening hours?')).body.intent.name, 'store_hours');
  });

  test('is handed to a colleague who is here, by name; what it ended as and what the customer thought of it are kept', async () => {
    const { platform } = fixture;
    const id = await taken();
    await staff('Jun', 'GET', 'desk');
    const jun = await eventually(async () =>
      (await staff('Mina', 'GET', 'desk')).body.agents.find(({ name }: { name: string }) => name === 'Jun'),
    );
    assert.equal((await staff('Mina', 'POST', `${of(id)}/pass`, { to: 'nobody' })).status, 404);
    assert.equal((await staff('Mina', 'POST', `${of(id)}/pass`, { to: jun.id })).status, 204);
    const { speaker } = (await staff('Jun', 'GET', of(id))).body;
    assert.deepEqual([speaker.kind, speaker.for.name, speaker.reason], ['waiting', 'Jun', 'passed']);
    assert.equal((await staff('Jun', 'POST', `${of(id)}/take`, {})).status, 204);
    const unknown = await staff('Jun', 'POST', `${of(id)}/close`, { wrapUp: 'whatever' });
    assert.deepEqual([unknown.status, unknown.body.errors[0].field], [400, 'wrapUp']);
    assert.equal((await staff('Jun', 'POST', `${of(id)}/close`, { wrapUp: 'solved' })).status, 204);
    const rated = await say(platform, id, '5');
    assert.match(rated.body.replies[0].text, /Thank you/);
    const { turns } = (await staff('Jun', 'GET', of(id))).body;
    assert.equal(turns.at(-1).rating, 5);
    assert.equal(turns.at(-2).wrapUp, 'solved');
    const again = await say(platform, id, '5');
    assert.doesNotMatch(again.body.replies[0].text, /Thank you/, 'it was asked once');
    const log = await eventually(async () =>
      (await staff('Jun', 'GET', `${of(id)}/turns?before=999999`)).body.turns.find(
        (turn: { rating?: number }) => turn.rating,
      ),
    );
    assert.equal(log.rating, 5);
  });

  test('notes and drafts are the staff’s own, and who looks at it is seen', async () => {
    const id = await taken();
    await staff('Jun', 'GET', of(id));
    const note = words('wants a refund');
    for (let round = 0; round < 2; round += 1)
      assert.equal((await staff('Jun', 'POST', `${of(id)}/notes`, note)).status, 204);
    await staff('Mina', 'PUT', `${of(id)}/draft`, { text: 'Let me' });
    const mina = (await staff('Mina', 'GET', of(id))).body;
    assert.deepEqual(
      mina.notes.map(({ text, by }: { text: string; by: { name: string } }) => [text, by.name]),
      [['wants a refund', 'Jun']],
    );
    assert.equal(mina.draft, 'Let me');
    assert.deepEqual(
      mina.viewers.map(({ name }: { name: string }) => name),
      ['Jun'],
    );
    assert.equal((await staff('Jun', 'GET', of(id))).body.draft, '', 'a draft is its writer’s');
    await staff('Mina', 'POST', `${of(id)}/messages`, words('Let me see.'));
    assert.equal((await staff('Mina', 'GET', of(id))).body.draft, '', 'it is sent');
    const told = JSON.stringify(await heard(id));
    assert.ok(!told.includes('refund'), 'no customer reads a note');

    // Whoever is erased takes them along.
    const user = `user-of-${id}`;
    const exported = await request(fixture.platform, 'GET', `/api/users/${user}/export`);
    assert.match(JSON.stringify(exported.body.users[0].notes), /wants a refund/);
    await request(fixture.platform, 'DELETE', `/api/users/${user}`);
    assert.equal((await staff('Mina', 'GET', of(id))).status, 404);
    assert.equal((await request(fixture.platform, 'GET', `/api/users/${user}/export`)).status, 404);
  });

  test('what is new comes at once to whoever waits for it, and 304 says that nothing is', async () => {
    const { platform } = fixture;
    const id = await taken();
    const first = await staff('Mina', 'GET', of(id));
    const token = await platform.entra.token(['agent'], { name: 'Mina' });
    const poll = (path: string, etag: string, wait: number) =>
      request(platform, 'GET', `/api/admin/${path}`, undefined, {
        authorization: `Bearer ${token}`,
        'if-none-match': etag,
        prefer: `wait=${wait}`,
      });
    const settled = await poll(of(id), first.headers.get('etag')!, 1);
    const etag = settled.headers.get('etag')!;
    assert.equal((await poll(of(id), etag, 0)).status, 304);
    const begun = Date.now();
    const next = poll(of(id), etag, 20);
    await sleep(300);
    await say(platform, id, 'are you there?');
    const news = await next;
    assert.equal(news.status, 200);
    assert.ok(Date.now() - begun < 10_000);
    assert.equal(news.body.turns.at(-1).text, 'are you there?');
    // And the other way.
    const cursor = (await request(platform, 'GET', `/api/conversations/${id}/replies`)).body.cursor;
    const reply = request(platform, 'GET', `/api/conversations/${id}/replies?after=${cursor}`, undefined, {
      prefer: 'wait=20',
    });
    await sleep(300);
    await staff('Mina', 'POST', `${of(id)}/messages`, words('I am.'));
    const told = (await reply).body;
    assert.deepEqual(
      told.replies.map(({ text, by, turnId }: Said & { turnId: null }) => [text, by, turnId]),
      [['I am.', 'person', null]],
    );
    assert.equal(told.speaker.name, 'Mina');
  });

  test('who reads on by the cursor misses nothing and hears nothing twice, however much was said meanwhile', async () => {
    const id = await taken();
    const start = (await request(fixture.platform, 'GET', `/api/conversations/${id}/replies`)).body.cursor;
    // More than the document keeps.
    for (let count = 0; count < 30; count += 1)
      await staff('Mina', 'POST', `${of(id)}/messages`, words(`number ${count}`));
    await sleep(1_500);
    const texts: string[] = [];
    let cursor = start;
    for (let round = 0; round < 5; round += 1) {
      const { body } = await request(fixture.platform, 'GET', `/api/conversations/${id}/replies?after=${cursor}`);
      texts.push(...body.replies.map(({ text }: Said) => text));
      cursor = body.cursor;
    }
    assert.deepEqual(
      texts,
      Array.from({ length: 30 }, (_, count) => `number ${count}`),
    );
  });

  test('where nothing is pushed, who asks for it is told', async () => {
    const id = unique('desk');
    const body = { userId: 'u', text: 'thanks', push: true };
    const refused = await request(fixture.platform, 'POST', `/api/conversations/${id}/messages`, body);
    assert.deepEqual([refused.status, refused.body.code], [409, 'push_off']);
  });

  test('a cursor of a conversation that was erased since begins anew', async () => {
    const { platform } = fixture;
    const id = unique('desk');
    for (let count = 0; count < 3; count += 1) await say(platform, id, 'thanks');
    const { cursor } = (await request(platform, 'GET', `/api/conversations/${id}/replies`)).body;
    assert.equal(cursor, '3');
    await request(platform, 'DELETE', `/api/users/user-of-${id}`);
    await say(platform, id, 'what are your opening hours?');
    const again = (await request(platform, 'GET', `/api/conversations/${id}/replies?after=${cursor}`)).body;
    assert.deepEqual([again.cursor, again.replies.length], ['1', 1]);
  });

  test('what the staff says is kept without personal details; what the bot is to learn has none, and forgets whose it was', async () => {
    const { platform } = fixture;
    const id = await taken();
    await say(platform, id, 'can I pay by cheque? 010-1234-5678');
    await staff('Mina', 'POST', `${of(id)}/messages`, words('I call you at 010-1234-5678.'));
    const { turns } = (await staff('Mina', 'GET', of(id))).body;
    const asked = turns.findLast((turn: { by?: object }) => !turn.by);
    const lesson = {
      key: 'l1',
      kind: 'faq',
      question: 'can I pay by cheque? 010-1234-5678',
      answer: 'No, sorry.',
      intent: null,
      turnId: asked.turnId,
    };
    for (const wrong of [
      { ...lesson, kind: 'answer', intent: 'no_such_intent' },
      { ...lesson, answer: ' ' },
      { ...lesson, question: '' },
      { ...lesson, turnId: 'x' },
    ])
      assert.equal((await staff('Mina', 'POST', `${of(id)}/lessons`, wrong)).status, 400);
    for (let round = 0; round < 2; round += 1)
      assert.equal((await staff('Mina', 'POST', `${of(id)}/lessons`, lesson)).status, 204);
    const lessons = async () =>
      (await platform.cosmos.client.database('maru').container('lessons').items.readAll<Lesson>().fetchAll()).resources;
    const kept = (await lessons()).filter(({ answer }) => answer === 'No, sorry.');
    assert.equal(kept.length, 1);
    assert.doesNotMatch(kept[0]!.question, /1234/);
    assert.match(asContent(kept[0]!), /^faq\.json {2}\(Mina: can I pay by cheque\?/);
    await staff('Mina', 'POST', `${of(id)}/close`, { wrapUp: 'solved' });
    const logged = await eventually(async () => {
      const { body } = await staff('Mina', 'GET', `${of(id)}/turns?before=999999`);
      return body.turns.some((turn: { wrapUp?: string }) => turn.wrapUp) && JSON.stringify(body.turns);
    });
    assert.match(logged, /I call you at/);
    assert.doesNotMatch(logged, /1234-5678/);
    await request(platform, 'DELETE', `/api/users/user-of-${id}`);
    const after = (await lessons()).find((one) => one.id === kept[0]!.id)!;
    assert.deepEqual([after.from, after.participants], [null, []]);
  });

  test('beside it stand the customer’s orders, by the bot’s own action', async () => {
    const id = await taken();
    const { body } = await staff('Mina', 'GET', `${of(id)}/customer?language=ko`);
    assert.equal(body.customerId, `user-of-${id}`);
    assert.equal(body.known[0].action, 'orders');
    assert.equal(body.known[0].rows.length, 3);
    assert.match(body.known[0].rows[0].title, /^ORD-/);
  });

  test('a customer who waits with a picture in hand waits, too; an agent is sent what they can’t see by name', async () => {
    const id = await waiting();
    const { speaker } = (await staff('Mina', 'GET', of(id))).body;
    assert.equal(speaker.kind, 'waiting');
    const notes = await Promise.all(
      Array.from({ length: 3 }, (_, count) =>
        staff('Jun', 'POST', `${of(id)}/notes`, words('가'.repeat(4_000), `n${count}`)),
      ),
    );
    assert.deepEqual(
      notes.map(({ status }) => status),
      [204, 204, 204],
    );
  });

  test('whatever happens to the gateway, what was said is said once', async () => {
    const { platform } = fixture;
    const id = await taken();
    await staff('Mina', 'POST', `${of(id)}/messages`, words('before'));
    await platform.running.gateway!.kill();
    await platform.startGateway();
    await staff('Mina', 'POST', `${of(id)}/messages`, words('after'));
    assert.deepEqual(
      (await heard(id)).slice(-2).map(({ text }) => text),
      ['before', 'after'],
    );
    assert.deepEqual((await say(platform, id, 'good')).body.replies, [], 'Mina still has it');
  });
});

describe('while the models are away', () => {
  test('a person is still called: the offer leads through nothing that is down', async () => {
    const { platform } = fixture;
    await platform.running.inference!.kill();
    const id = await waiting();
    assert.equal((await staff('Mina', 'POST', `${of(id)}/take`, {})).status, 204);
    assert.deepEqual((await say(platform, id, 'is anybody there?')).body.replies, []);
    await staff('Mina', 'POST', `${of(id)}/messages`, words('I am.'));
    assert.equal((await heard(id)).at(-1)!.text, 'I am.');
    await platform.startInference();
  });
});

describe('the doors of the staff', () => {
  const own = routes.filter(({ role }) => role !== undefined);
  const path = (route: string) =>
    `/${route
      .replace('{conversationId}', conversationId('api', 'nobody'))
      .replace('{turnId}', `turn.${'a'.repeat(43)}`)
      .replace('{index}', '0')}`;
  const knock = (route: (typeof own)[number], headers: Record<string, string>) => {
    const method = route.methods.find((one) => one !== 'HEAD')!;
    return request(fixture.platform, method, path(route.route), method === 'GET' ? undefined : {}, headers);
  };

  test('let in who has the role, and nobody else', async () => {
    assert.ok(own.length >= 14);
    const { entra } = fixture.platform;
    for (const route of own) {
      assert.equal((await knock(route, {})).status, 401, route.name);
      for (const roles of [[], ...ROLES.map((role) => [role])] as Role[][]) {
        const { status } = await knock(route, { authorization: `Bearer ${await entra.token(roles)}` });
        const may =
          roles.includes(route.role!) || roles.includes('admin') || (route.role === 'viewer' && roles.length > 0);
        assert.equal(status === 401 || status === 403, !may, `${route.name} answers ${status} to ${roles}`);
      }
    }
  });

  test('take no token of another issuer, for another app, that is over, unsigned or made up', async () => {
    const { entra } = fixture.platform;
    const good = await entra.token(['admin']);
    const [head, body] = good.split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const bad = [
      await entra.token(['admin'], { audience: 'another' }),
      await entra.token(['admin'], { issuer: 'https://evil.example' }),
      await entra.token(['admin'], { expiresIn: '-2h' }),
      `${head}.${body}.AAAA`,
      `${none}.${body}.`,
      'x'.repeat(10_000),
      'no-token',
    ];
    for (const token of bad) {
      const { status, body: problem } = await knock(own[1]!, { authorization: `Bearer ${token}` });
      assert.deepEqual([status, problem.code], [401, 'unauthorized'], token.slice(0, 40));
    }
    assert.equal((await knock(own[1]!, { authorization: `Bearer ${good}` })).status, 200);
  });

  test('believe the platform’s sign-in only where it is on', async () => {
    const principal = Buffer.from(
      JSON.stringify({
        role_typ: 'roles',
        claims: [
          { typ: 'oid', val: 'x' },
          { typ: 'roles', val: 'admin' },
        ],
      }),
    ).toString('base64');
    assert.equal((await knock(own[1]!, { 'x-ms-client-principal': principal })).status, 401);
  });

  test('a conversation that is not there, and what is no id, are answered so', async () => {
    assert.equal((await staff('Mina', 'POST', `desk/${conversationId('api', 'nobody')}/take`, {})).status, 404);
    for (const id of ['x', '..%2f..', 'conversation.short', `turn.${'a'.repeat(43)}`])
      assert.ok([400, 404].includes((await staff('Mina', 'GET', `desk/${id}`)).status), id);
    const id = await taken();
    for (const body of [
      {},
      { key: 'k' },
      { key: 'k', text: '' },
      { key: 'k', text: ' \n' },
      { key: 'k', text: 'a'.repeat(4_001) },
      { key: '..', text: 'a' },
      { key: 'k', text: 'a', more: 1 },
    ])
      assert.ok(
        [400, 413].includes((await staff('Mina', 'POST', `${of(id)}/messages`, body)).status),
        JSON.stringify(body).slice(0, 40),
      );
  });
});
