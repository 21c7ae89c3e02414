import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Role } from '../../functions/services/sign-in.ts';
import { type Answer, asStaff, eventually, request, root, say, unique, usePlatform } from './fixture.ts';

/** What the bot says, edited in the console and by `npm run content`. Each test goes on where the one before it ended. */
const fixture = usePlatform();
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-content-'));
  await cp(join(root, 'functions/bot'), folder, { recursive: true });
});
after(() => rm(folder, { recursive: true, force: true }));

const staff = (method: string, path: string, body?: unknown, roles: readonly Role[] = ['editor']) =>
  asStaff(fixture.platform, { name: 'Eddie', roles }, method, `content${path}`, body);

const item = async (id: string) => (await staff('GET', `/items/${id}`)).body;
async function edit(id: string, value: unknown, etag?: string | null): Promise<Answer> {
  return await staff('PUT', `/items/${id}`, { value, etag: etag === undefined ? (await item(id)).etag : etag });
}

const drafts = async () => (await staff('GET', '')).body.drafts;
const publish = async (note: string) => await staff('POST', '/publish', { note, drafts: await drafts() });

async function command(...parameters: string[]): Promise<{ code: number; text: string }> {
  const env = { ...process.env, ...fixture.platform.settings, RELEASE_BY: 'kim', NODE_TEST_CONTEXT: undefined };
  return await new Promise((done) => {
    const file = join(root, 'scripts/content/index.ts');
    execFile(process.execPath, [file, ...parameters, '--folder', folder], { env, cwd: root }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, text: stdout + stderr }),
    );
  });
}

const hours = async () =>
  (await say(fixture.platform, unique('hours'), 'what are your opening hours?')).body.replies[0].text;
const saysSoon = (pattern: RegExp) => eventually(async () => pattern.test(await hours()));
const withAnswer = async (text: string) => ({
  ...(await item('intent.store_hours')).live,
  answers: { en: [text], ko: [text] },
});

test('before anything was published, the commands say that what was deployed is live', async () => {
  const { code, text } = await command('diff');
  assert.equal(code, 0, text);
  assert.match(text, /what was deployed is live/);
  assert.equal((await command('publish')).code, 1);
});

describe('what the bot says', () => {
  test('is listed, changed as a draft, and the bot goes on as before until it is published', async () => {
    const { body: list } = await staff('GET', '');
    assert.equal(list.published, null, 'as it was deployed');
    assert.ok(list.items.length > 100 && list.items.every(({ id }: { id: string }) => !id.startsWith('part.')));
    assert.equal((await staff('PUT', '/items/intent.store_hours', {}, ['viewer'])).status, 403);
    const written = await edit('intent.store_hours', await withAnswer('Until nine.'));
    assert.deepEqual(written.body.problems, []);
    const { draft, live } = await item('intent.store_hours');
    assert.deepEqual(draft.value.answers.en, ['Until nine.']);
    assert.equal(draft.by.name, 'Eddie');
    assert.notDeepEqual(live.answers.en, ['Until nine.']);
    assert.match(await hours(), /10:00/);
    const changed = (await staff('GET', '')).body.items.find(({ id }: { id: string }) => id === 'intent.store_hours');
    assert.equal(changed.draft.state, 'changed');
  });

  test('a draft of somebody else is not overwritten by who has not seen it', async () => {
    const first = (await item('intent.store_hours')).etag;
    const mine = await edit('intent.store_hours', await withAnswer('Until ten.'), first);
    assert.equal(mine.status, 200);
    const theirs = await edit('intent.store_hours', await withAnswer('Until midnight.'), first);
    assert.deepEqual([theirs.status, theirs.body.code], [409, 'content_changed']);
    assert.equal((await edit('intent.store_hours', await withAnswer('x'), null)).status, 409);
    const { history } = await item('intent.store_hours');
    assert.deepEqual(
      history.map(({ value }: { value: { answers: { en: string[] } } }) => value.answers.en[0]),
      ['Until nine.'],
    );
  });

  test('a mistake is said with its place, and can not be published', async () => {
    const value = { ...(await item('intent.greeting')).live, flow: 'no_such_flow' };
    const { body } = await edit('intent.greeting', value);
    assert.deepEqual(
      body.problems.map(({ item: id, path }: { item: string; path: string }) => [id, path]),
      [['intent.greeting', 'flow']],
    );
    const refused = await publish('x');
    assert.deepEqual([refused.status, refused.body.code], [409, 'content_faulty']);
    assert.match(refused.body.errors[0].reason, /no_such_flow/);
    assert.equal((await staff('DELETE', '/items/intent.greeting')).status, 204);
    assert.equal((await item('intent.greeting')).draft, null);
  });

  test('published, it is live within seconds, in the history, and the call log names it', async () => {
    const stale = await staff('POST', '/publish', { note: 'x', drafts: 'others' });
    assert.deepEqual([stale.status, stale.body.code], [409, 'content_changed'], 'only what the caller has seen');
    const { status, body } = await publish('new hours');
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.serial, body.changed, body.note], [1, ['intent.store_hours'], 'new hours']);
    await saysSoon(/Until ten\./);
    const { body: list } = await staff('GET', '');
    assert.equal(list.version, body.version);
    assert.ok(
      list.items.every(({ draft }: { draft?: object }) => draft === undefined),
      'no draft is left',
    );
    const diff = (await staff('GET', '/versions/1')).body;
    assert.deepEqual(
      diff.differences.map(({ item: id }: { item: string }) => id),
      ['intent.store_hours'],
    );
    assert.deepEqual(diff.differences[0].after.answers.en, ['Until ten.']);
    const id = unique('named');
    await say(fixture.platform, id, 'what are your opening hours?');
    const found = await eventually(async () => {
      const token = await fixture.platform.entra.token(['viewer']);
      const { conversationId } = await import('../../functions/conversation/identifier.ts');
      const answer = await request(
        fixture.platform,
        'GET',
        `/api/admin/conversations/${conversationId('api', id)}`,
        undefined,
        { authorization: `Bearer ${token}` },
      );
      return answer.status === 200 && answer.body.turns[0];
    });
    assert.equal(found.content, body.version);
  });

  test('it is live for an instance that starts later, too', async () => {
    await fixture.platform.running.gateway!.stop();
    await fixture.platform.startGateway();
    assert.match(await hours(), /Until ten\./);
  });

  test('what was live before is live again, as a version of its own', async () => {
    await edit('intent.store_hours', await withAnswer('Never.'));
    await publish('oops');
    await saysSoon(/Never\./);
    const { status, body } = await staff('POST', '/versions/1/revert', {});
    assert.deepEqual([status, body.serial], [200, 3]);
    await saysSoon(/Until ten\./);
    const { versions } = (await staff('GET', '/versions')).body;
    assert.deepEqual(
      versions.map(({ serial }: { serial: number }) => serial),
      [3, 2, 1, 0],
    );
    assert.equal((await staff('POST', '/versions/99/revert', {})).status, 404);
  });

  test('what customers say is kept without personal details, and never what the bot is judged by', async () => {
    const value = (await item('intent.refund_status')).live;
    const en = [...value.utterances.en, 'my number is 010-1234-5678 where is the money', 'helo there'];
    const { body } = await edit('intent.refund_status', { ...value, utterances: { ...value.utterances, en } });
    assert.match(JSON.stringify(body.problems), /helo there.* is held out/);
    const kept = JSON.stringify((await item('intent.refund_status')).draft.value);
    assert.ok(!kept.includes('1234'), 'no number');
    const answer = { ...value, answers: { en: ['Call 02-1234-5678.'], ko: ['02-1234-5678로 전화 주세요.'] } };
    await edit('intent.refund_status', answer);
    assert.match(
      JSON.stringify((await item('intent.refund_status')).draft.value),
      /02-1234-5678/,
      'the shop may say its own',
    );
    await staff('DELETE', '/items/intent.refund_status');
  });

  test('what is no item, and what is named otherwise than its address', async () => {
    assert.equal((await staff('GET', '/items/part.about')).status, 400);
    assert.equal((await staff('GET', '/items/intent.nobody')).status, 404);
    const other = { ...(await item('intent.greeting')).live, name: 'other' };
    assert.equal((await edit('intent.greeting', other)).status, 400);
    assert.equal((await edit('intent.greeting', 'text')).status, 400);
    assert.equal((await staff('GET', '/items/phrase.__proto__')).status, 400);
  });

  test('every change is in the audit log, with before and after', async () => {
    const token = await fixture.platform.entra.token(['admin']);
    const { entries } = (
      await request(fixture.platform, 'GET', '/api/admin/audit', undefined, { authorization: `Bearer ${token}` })
    ).body;
    const own = (action: string) => entries.filter((entry: { action: string }) => entry.action === action);
    const published = own('content.publish').find(({ state }: { state: string }) => state === 'done');
    assert.ok(published.before && published.after.version);
    const edited = own('content.edit').find(
      ({ of, state }: { of: string; state: string }) => of === 'intent.store_hours' && state === 'done',
    );
    assert.ok(edited.before.answers && edited.after.answers);
    assert.equal(own('content.revert').length, 1);
    assert.ok(own('content.discard').length >= 1);
  });
});

describe('npm run content', () => {
  test('says how folder and store differ, exports what was edited, and nothing else of the files', async () => {
    const before = await readFile(join(folder, 'intents.json'), 'utf8');
    const diff = await command('diff');
    assert.match(diff.text, /otherwise {2}intent\.store_hours\n1 items are different/);
    const exported = await command('export');
    assert.equal(exported.code, 0, exported.text);
    assert.match(exported.text, /written {2}intent\.store_hours/);
    const now = await readFile(join(folder, 'intents.json'), 'utf8');
    assert.match(now, /Until ten\./);
    const [old, fresh] = [before, now].map((text) =>
      text.split('\n').filter((line) => /"greeting"|hey there/.test(line)),
    );
    assert.deepEqual(fresh, old);
    assert.match((await command('diff')).text, /are the same/);
  });

  test('imports what the folder has changed; what the console has changed since is left alone', async () => {
    const file = join(folder, 'phrases.json');
    const phrases = JSON.parse(await readFile(file, 'utf8'));
    const intents = join(folder, 'intents.json');
    await writeFile(file, JSON.stringify({ ...phrases, fallback: { ...phrases.fallback, en: 'Pardon?' } }, null, 2));
    await writeFile(intents, (await readFile(intents, 'utf8')).replaceAll('Until ten.', 'From the folder.'));
    await edit('intent.store_hours', await withAnswer('From the console.'));
    await publish('console');
    const { code, text } = await command('import', '--publish');
    assert.equal(code, 1, text);
    assert.match(text, /left alone {2}intent\.store_hours/);
    assert.match(text, /taken over {2}phrase\.fallback\nVersion \d is live/);
    await saysSoon(/From the console\./);
    assert.equal((await item('phrase.fallback')).live.en, 'Pardon?');
    // What somebody is at in the console is left alone, too.
    const greeting = (await item('phrase.fallback')).live;
    await edit('phrase.fallback', { ...greeting, en: 'A draft of the console.' });
    await writeFile(file, JSON.stringify({ ...phrases, fallback: { ...phrases.fallback, en: 'Sorry?' } }, null, 2));
    assert.match((await command('import')).text, /left alone {2}phrase\.fallback/);
    assert.equal((await item('phrase.fallback')).draft.value.en, 'A draft of the console.');
    await staff('DELETE', '/items/phrase.fallback');
    await writeFile(file, JSON.stringify({ ...phrases, fallback: { ...phrases.fallback, en: 'Pardon?' } }, null, 2));
    const again = await command('import');
    assert.match(again.text, /left alone {2}intent\.store_hours/, 'until somebody has looked at it');
    const forced = await command('import', '--force');
    assert.equal(forced.code, 0, forced.text);
    assert.match(forced.text, /1 drafts/);
    assert.match((await command('publish', '--note', 'the folder’s')).text, /Version \d is live: intent\.store_hours/);
    await saysSoon(/From the folder\./);
  });
});
