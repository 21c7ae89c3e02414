import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isJudge } from '../../functions/content/queue.ts';
import type { Role } from '../../functions/services/sign-in.ts';
import { type Answer, asStaff, eventually, request, say, unique, usePlatform } from './fixture.ts';

/** What people say of what customers wrote, over the console's API. */
const fixture = usePlatform();

const staff = (name: string, method: string, path: string, body?: unknown, roles: readonly Role[] = ['editor']) =>
  asStaff(fixture.platform, { name, roles }, method, path, body);
const next = async (name: string) => (await staff(name, 'POST', 'review', {})).body;
const label = (name: string, id: string, body: object) => staff(name, 'POST', `review/${id}`, body);
const draft = async (intent: string) => (await staff('Eddie', 'GET', `content/items/intent.${intent}`)).body;

/** Texts that nobody understands: `asdfgh` and the like. */
const letters = 'bcdfghjklmnpqrstvwxz';
const gibberish = (at: number) =>
  [0, 1, 2, 3, 4, 5].map((place) => letters[(at * 7 + place * place + place * 3) % letters.length]).join('');

test('two reviewers never get the same; a label is an utterance of the draft, or judges; it is taken back', async () => {
  const { platform } = fixture;
  const texts = Array.from({ length: 12 }, (_, at) => gibberish(at));
  for (const text of texts) await say(platform, unique('review'), text);
  const first = await eventually(async () => {
    const found = await next('Eddie');
    return found.waiting >= 6 && found;
  }, 40);
  const [mine, other] = [first, await next('Ada')];
  const ids = (found: { items: { id: string }[] }) => found.items.map(({ id }) => id);
  assert.equal(new Set([...ids(mine), ...ids(other)]).size, 4, 'none of both');
  assert.deepEqual(ids(await next('Eddie')), ids(mine), 'until something is said of it, it is the same');
  assert.equal((await label('Eddie', ids(other)[0]!, { kind: 'skip' })).status, 409);

  // One that trains: an utterance of the draft, with its turn in the call log labelled.
  let trained: { id: string; text: string } | undefined;
  for (let at = 0; at < 8 && !trained; at += 1) {
    const [item] = (await next('Eddie')).items;
    if (isJudge(item.text)) {
      const { body } = await label('Eddie', item.id, { kind: 'intent', intent: 'gift_wrap' });
      assert.equal(body.trains, false);
      assert.equal((await draft('gift_wrap')).draft, null, 'what judges is no utterance');
    } else {
      trained = item;
      const answers = await Promise.all(
        [1, 2].map(() => label('Eddie', item.id, { kind: 'intent', intent: 'gift_wrap' })),
      );
      assert.ok(
        answers.every(({ status }) => status === 200),
        'a repetition changes nothing',
      );
    }
  }
  const { id, text } = trained!;
  const { value } = (await draft('gift_wrap')).draft;
  assert.equal(value.utterances.en.filter((one: string) => one === text).length, 1);
  const found = (await staff('Vera', 'GET', `turns?text=${text}`, undefined, ['viewer'])).body.turns[0];
  const { resource } = await platform.cosmos.client
    .database('maru')
    .container('turns')
    .item(found.turnId, found.conversationId)
    .read();
  assert.deepEqual([resource.label, resource.trains], ['gift_wrap', true]);
  const labelled = (await staff('Vera', 'GET', 'turns?label=gift_wrap', undefined, ['viewer'])).body.turns;
  assert.ok(
    labelled.some((one: { turnId: string; label: string }) => one.turnId === found.turnId && one.label === 'gift_wrap'),
  );
  assert.equal(
    (await label('Eddie', id, { kind: 'intent', intent: 'store_hours' })).status,
    409,
    'it was said otherwise: that is taken back first',
  );
  assert.ok(!ids(await next('Eddie')).includes(id) && !ids(await next('Ada')).includes(id));

  assert.equal((await staff('Ada', 'POST', `review/${id}/undo`, {})).status, 409, 'not another’s word');
  assert.equal((await staff('Eddie', 'POST', `review/${id}/undo`, {})).status, 204);
  assert.equal((await draft('gift_wrap')).draft, null);
  const { resource: after } = await platform.cosmos.client
    .database('maru')
    .container('turns')
    .item(found.turnId, found.conversationId)
    .read();
  assert.deepEqual([after.label, after.trains], [undefined, undefined]);
  assert.equal((await label('Eddie', id, { kind: 'intent', intent: 'none' })).status, 200, 'out of scope');
  assert.ok((await draft('none')).draft.value.utterances.en.includes(text));

  assert.equal((await label('Eddie', ids(mine)[1] ?? id, { kind: 'intent', intent: 'no_such_intent' })).status, 400);
  assert.equal((await label('Eddie', 'x'.repeat(43), { kind: 'skip' })).status, 404);
  assert.equal((await label('Eddie', id, { kind: 'skip', intent: 'x' })).status, 400);
  assert.equal((await staff('Vera', 'POST', 'review', {}, ['viewer'])).status, 403);

  // Its user is erased: the label stays, and says no more where it came from.
  const stored = async () =>
    (await platform.cosmos.client.database('maru').container('reviews').item(id, id).read()).resource;
  assert.equal((await stored()).from.length, 1);
  const [owner] = (await stored()).participants;
  const { erasing, exported } = await eraseOwner(owner);
  const [own] = exported.users[0].reviews;
  assert.deepEqual(
    [own.text, own.from.length, own.participants],
    [text, 1, undefined],
    'what is others’ is not this one’s to have',
  );
  assert.equal(erasing, 200);
  assert.deepEqual([(await stored()).from, (await stored()).participants], [[], []]);
  assert.equal((await stored()).decision.intent, 'none');
});

/** By the id that the client gave, which says nothing of the stored one: every one of this file is tried. */
async function eraseOwner(owner: string): Promise<{ erasing: number; exported: Answer['body'] }> {
  const { userId } = await import('../../functions/conversation/identifier.ts');
  for (let at = 0; at < 200; at += 1) {
    const given = `user-of-review-${process.pid}-${at}`;
    if (userId('api', given) !== owner) continue;
    const { body: exported } = await request(fixture.platform, 'GET', `/api/users/${given}/export`);
    const { status } = await request(fixture.platform, 'DELETE', `/api/users/${given}`);
    return { erasing: status, exported };
  }
  throw new Error('nobody of this file');
}

test('what a customer says of themselves is nowhere but in the conversation: not in labels, drafts, bundles, statistics, audit or an export', async () => {
  const { platform } = fixture;
  const details = ['010-9876-5432', '4111 1111 1111 1111', 'kim.minsu@example.com', '900101-1234568'];
  const id = unique('details');
  for (const detail of details) await say(platform, id, `bcdfgh jklmn ${detail}`);
  // Whatever waits is labelled, until nothing does: what was just said is found within ten seconds.
  const said = new Set<string>();
  const end = Date.now() + 15_000;
  while (Date.now() < end && [...said].filter((text) => text.startsWith('bcdfgh')).length < details.length) {
    const { items } = await next('Ada');
    for (const item of items) {
      said.add(item.text);
      await label('Ada', item.id, { kind: 'intent', intent: 'coupons' });
    }
    if (items.length === 0) await new Promise((done) => setTimeout(done, 500));
  }
  assert.ok([...said].some((text) => text.startsWith('bcdfgh')));
  const { drafts } = (await staff('Ada', 'GET', 'content')).body;
  assert.equal((await staff('Ada', 'POST', 'content/publish', { note: 'labels', drafts })).status, 200);
  const { cosmos, settings } = platform;
  const kept: string[] = [];
  for (const name of ['turns', 'reviews', 'content', 'statistics', 'audit', 'incidents', 'lessons', 'notes']) {
    const { resources } = await cosmos.client.database('maru').container(name).items.readAll().fetchAll();
    kept.push(...resources.map((document) => JSON.stringify(document)));
  }
  const { BlobServiceClient } = await import('@azure/storage-blob');
  const bundles = BlobServiceClient.fromConnectionString(settings.STORAGE_CONNECTION!).getContainerClient('content');
  let count = 0;
  for await (const { name } of bundles.listBlobsFlat()) {
    kept.push((await bundles.getBlobClient(name).downloadToBuffer()).toString());
    count += 1;
  }
  assert.ok(count >= 1, 'something was published');
  kept.push((await staff('Ada', 'GET', 'turns/export?format=csv', undefined, ['editor'])).body);
  assert.ok(
    kept.some((text) => text.includes('bcdfgh jklmn')),
    'what was said is there',
  );
  for (const text of kept)
    for (const detail of details) assert.ok(!text.includes(detail), `${detail} in ${text.slice(0, 200)}`);
});

test('somebody labels what they came across, whether it needs a look or not; nobody else has it meanwhile', async () => {
  const { platform } = fixture;
  await say(platform, unique('labelled'), 'what are your opening hours on sundays?');
  const turn = await eventually(async () => {
    const { turns } = (await staff('Vera', 'GET', 'turns?text=sundays', undefined, ['viewer'])).body;
    return turns[0];
  });
  const { conversationId, turnId } = turn;
  const ask = (name: string) => staff(name, 'POST', 'review', { turn: { conversationId, turnId } });
  const { items } = (await ask('Eddie')).body;
  assert.equal(items[0].text, 'what are your opening hours on sundays?');
  assert.equal((await ask('Ada')).body.code, 'content_changed');
  assert.equal((await label('Eddie', items[0].id, { kind: 'intent', intent: 'store_hours' })).status, 200);
  assert.equal((await ask('Eddie')).status, 409, 'it was said already');
  const gone = { conversationId, turnId: `turn.${'0'.repeat(43)}` };
  assert.equal((await staff('Eddie', 'POST', 'review', { turn: gone })).status, 404);
  assert.equal((await staff('Eddie', 'POST', 'review', { turn: { conversationId: 'x', turnId: '../y' } })).status, 400);
});
