import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { conversationId, userId } from '../../functions/conversation/identifier.ts';
import type { Role } from '../../functions/services/sign-in.ts';
import { asStaff, eventually, request, say, unique, usePlatform } from './fixture.ts';

/** Who looks after the bot, over the console's API. What a browser does is in test/e2e/console.test.ts. */
let refuses = true;
let pushed = 0;
/** A client that is told what is said, as soon as it takes it. */
const client = createServer((request, response) => {
  request.resume();
  pushed += 1;
  response.writeHead(refuses ? 403 : 204).end();
});
client.listen(0, '127.0.0.1');
after(() => client.close());
await new Promise((ready) => client.once('listening', ready));

const fixture = usePlatform({
  REPLIES_URL: `http://127.0.0.1:${(client.address() as AddressInfo).port}/`,
  REPLIES_KEY: 'x'.repeat(32),
});

const staff = (method: string, path: string, body?: unknown, roles: readonly Role[] = ['admin']) =>
  asStaff(fixture.platform, { name: 'Ada', roles }, method, path, body);

/** What was said stands in the call log a moment later. */
async function logged(id: string, turns: number) {
  return await eventually(async () => {
    const { body, status } = await staff('GET', `conversations/${conversationId('api', id)}`);
    return status === 200 && body.turns.length >= turns && body;
  });
}

describe('what is said', () => {
  test('is counted, listed, shown with what was understood, and exported', async () => {
    const { platform } = fixture;
    const id = unique('console');
    await say(platform, id, 'what are your opening hours?');
    await say(platform, id, 'asdfgh', { 'accept-language': 'en' });
    await say(platform, id, 'Talk to a person');
    const { turns } = await logged(id, 3);
    const [hours, missed, person] = turns;
    assert.equal(hours.intent, 'store_hours');
    assert.equal(hours.outcome, 'answered');
    assert.ok(hours.top.length > 1 && hours.score > 0.5 && hours.ms >= 0 && hours.timings.inference >= 0);
    assert.match(hours.replies[0].text, /10:00/);
    assert.equal(hours.traceId, '', 'there is no telemetry here');
    assert.equal(missed.outcome, 'not_understood');
    assert.equal(person.outcome, 'handed_over');
    assert.equal(person.handover, 'person');

    const today = (await staff('GET', 'today', undefined, ['viewer'])).body;
    assert.equal(today.by, 'hour');
    assert.equal(today.total.turns, 3);
    assert.equal(today.total.people, 1);
    assert.deepEqual(today.total.outcomes, { answered: 1, not_understood: 1, handed_over: 1, person: 0, failed: 0 });
    assert.equal(today.intents.find(({ intent }: { intent: string }) => intent === 'store_hours').turns, 1);
    assert.equal(today.waiting, 1);
    assert.deepEqual([today.channels, today.locales], [['api'], ['en']]);
    assert.equal((await staff('GET', 'today?locale=ko')).body.total.turns, 0);

    const found = async (query: string) =>
      (await staff('GET', `turns?${query}`)).body.turns.map(({ text }: { text: string }) => text);
    assert.deepEqual(await found('intent=store_hours'), ['what are your opening hours?']);
    assert.deepEqual(await found('outcome=not_understood'), ['asdfgh']);
    assert.deepEqual(await found(`text=${encodeURIComponent('OPENING')}`), ['what are your opening hours?']);
    assert.deepEqual(await found('minScore=0.999999&intent=store_hours'), []);
  });

  test('a file for spreadsheets has no formula of a customer\u2019s, and each export is in the audit log', async () => {
    const id = unique('formula');
    await say(fixture.platform, id, '=HYPERLINK("http://evil.example","a, b")');
    await logged(id, 1);
    const csv = await staff('GET', 'turns/export?format=csv&text=HYPERLINK', undefined, ['editor']);
    assert.equal(csv.status, 200);
    assert.match(csv.headers.get('content-disposition')!, /attachment; filename="turns.csv"/);
    assert.match(csv.body, /"'=HYPERLINK\(""http:\/\/evil\.example"",""a, b""\)"/);
    const only = (await staff('GET', 'turns/export?format=jsonl&text=HYPERLINK')).body;
    assert.equal(only.text, '=HYPERLINK("http://evil.example","a, b")');
    const { entries } = (await staff('GET', 'audit')).body;
    const [last] = entries.filter(({ action }: { action: string }) => action === 'turns.export');
    assert.deepEqual([last.by.name, last.state, last.after.turns, last.after.filters], ['Ada', 'done', 1, ['text']]);
    assert.ok(!JSON.stringify(last).includes('HYPERLINK'), 'which filters, and not what was looked for');
    assert.ok(
      entries.some(
        ({ action, of }: { action: string; of: string }) =>
          action === 'conversation.view' && of === conversationId('api', id),
      ),
    );
  });

  test('what is no day, no number and no page is refused with its name', async () => {
    for (const [path, field] of [
      ['today?from=2026-02-30', 'from'],
      ['today?from=2026-11-28&to=2026-11-01', 'to'],
      ['today?from=2020-01-01&to=2026-01-01', 'to'],
      ['turns?minScore=2', 'minScore'],
      ['turns?from=abc', 'from'],
      ['turns?outcome=nothing', 'outcome'],
      ['turns?after=1~conversation.x', 'after'],
      ['turns/export?format=exe', 'format'],
      [`turns?text=${'x'.repeat(101)}`, 'text'],
      ['incidents?before=-1', 'before'],
      ['conversations/conversation.x', 'conversationId'],
    ] as const) {
      const { status, body } = await staff('GET', path);
      assert.equal(status, 400, path);
      assert.equal(body.errors[0].field, field, path);
    }
    assert.equal((await staff('GET', `conversations/${conversationId('api', 'nobody')}`)).status, 404);
  });
});

describe('an incident', () => {
  test('a reply that a client did not take is seen, tried again, and open again when that fails, too', async () => {
    const { platform } = fixture;
    const id = unique('push');
    const body = { userId: 'u', text: 'what are your opening hours?', push: true };
    await request(platform, 'POST', `/api/conversations/${id}/messages`, body, { prefer: 'wait=20' });
    const own = async (query = '') =>
      (await staff('GET', `incidents?${query}`)).body.incidents.find(
        (one: { conversationId: string }) => one.conversationId === conversationId('api', id),
      );
    const incident = await eventually(own);
    assert.equal(incident.kind, 'delivery_failed');
    assert.equal(incident.repeatable, true);
    assert.match(incident.reason, /403/);
    assert.equal((await staff('GET', 'today')).body.incidents >= 1, true);

    const act = (what: string) => staff('POST', `incidents/${incident.id}/${what}`, {}, ['releaser']);
    assert.equal((await act('acknowledge')).status, 204);
    assert.equal(await own('open=true'), undefined);
    assert.equal((await own('open=false')).acknowledged.by.name, 'Ada');

    const before = pushed;
    assert.equal((await act('repeat')).status, 204);
    await eventually(async () => pushed > before);
    const again = await eventually(async () => await own('open=true'));
    assert.equal(again.acknowledged, undefined, 'it is open again: that failed, too');

    refuses = false;
    assert.equal((await act('repeat')).status, 204);
    await eventually(async () => pushed > before + 1);
    assert.equal((await own()).repeated.by.name, 'Ada');
    const sent = await eventually(async () => {
      const { resource } = await platform.cosmos.client
        .database('maru')
        .container('conversations')
        .item(conversationId('api', id), conversationId('api', id))
        .read();
      return resource.recent[0].deliveredAt;
    });
    assert.ok(sent);
    const sentOnce = pushed;
    assert.equal((await act('repeat')).status, 204, 'a repetition of what was done');
    await eventually(async () => (await logged(id, 1)).turns[0].deliveryError === undefined);
    assert.equal(pushed, sentOnce, 'what is delivered is not sent once more');
    const { entries } = (await staff('GET', 'audit')).body;
    const states = entries
      .filter(({ of }: { of: string }) => of === incident.id)
      .map(({ action, state }: { action: string; state: string }) => `${action} ${state}`);
    assert.deepEqual(states, [...Array(3).fill('incident.repeat done'), 'incident.acknowledge done']);
  });

  test('one that is not there, and one of which nothing can be tried again', async () => {
    assert.equal((await staff('POST', 'incidents/nobody/acknowledge', {})).status, 404);
    assert.equal((await staff('POST', 'incidents/nobody/repeat', {})).status, 404);
    await fixture.platform.cosmos.client.database('maru').container('incidents').items.create({
      id: 'a.b',
      kind: 'turn_failed',
      conversationId: null,
      turnId: null,
      userId: null,
      reason: 'r',
      acceptedAt: 1,
      at: 1,
    });
    assert.equal((await staff('POST', 'incidents/a.b/repeat', {})).body.code, 'not_repeatable');
  });
});

describe('people and data', () => {
  test('somebody\u2019s data is exported and erased, and who did it stays', async () => {
    const id = unique('erase');
    await say(fixture.platform, id, 'what are your opening hours?');
    await logged(id, 1);
    const person = { userId: `user-of-${id}` };
    const exported = await staff('POST', 'people/export', person);
    assert.equal(exported.body.users[0].turns.length, 1);
    const { status, body } = await staff('POST', 'people/erase', person);
    assert.equal(status, 200);
    assert.deepEqual([body.removed.users, body.removed.turns], [1, 1]);
    assert.equal((await staff('GET', `conversations/${conversationId('api', id)}`)).status, 404);
    assert.equal((await staff('POST', 'people/export', person)).status, 404);
    const { entries } = (await staff('GET', 'audit')).body;
    const own = entries.filter(({ of }: { of: string }) => of === userId('api', person.userId));
    assert.deepEqual(
      own.map(({ action, state }: { action: string; state: string }) => `${action} ${state}`),
      ['user.export done', 'user.erase done', 'user.export done'],
    );
    assert.ok(!JSON.stringify(own).includes(person.userId), 'by the hash of the id');
    // A customer of the shop is every user that they have been.
    const other = unique('customer');
    await request(
      fixture.platform,
      'POST',
      `/api/conversations/${other}/messages`,
      { userId: `user-of-${other}`, customerId: other, text: 'hello' },
      { prefer: 'wait=20' },
    );
    assert.equal((await staff('POST', 'people/erase', { customerId: other })).body.removed.users, 1);
    assert.equal((await staff('POST', 'people/erase', { customerId: other })).status, 404);
    assert.equal((await staff('POST', 'people/erase', { customerId: other, userId: 'u' })).status, 400);
    assert.equal((await staff('POST', 'people/erase', {})).status, 400);
  });
});

describe('releases', () => {
  test('where the console may not swap, it says so and does nothing', async () => {
    const { body } = await staff('GET', 'releases');
    assert.match(body.swap.refusal, /CONSOLE_SWAPS/);
    const { status, body: refused } = await staff('POST', 'releases/swap', { release: `sha256-${'0'.repeat(64)}` });
    assert.equal(status, 409);
    assert.equal(refused.code, 'swap_refused');
  });
});
