import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Content } from '../../functions/dialog/bot.ts';
import { modelVersions, type Versions } from '../../scripts/bot/versions.ts';
import { watchBot } from '../../scripts/bot/watch.ts';
import { eventually, root } from '../platform/fixture.ts';

/** Somebody edits a bot's folder while it is watched, in every way that editors save. */
let folder = '';
let watching: ReturnType<typeof watchBot>;
const published: Content[] = [];
const said: string[] = [];
const served: Versions[] = [];
let rebuilt = 0;
let release: string | null = null;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-watched-'));
  await cp(join(root, 'examples/clinic'), join(folder, 'bot'), { recursive: true });
  await shorten();
  watching = watchBot({
    folder: join(folder, 'bot'),
    models: join(folder, 'models'),
    // As npm start has trained it before.
    trained: await modelVersions(join(folder, 'bot')),
    publish: async (content) => void published.push(content),
    rebuild: async () => {
      rebuilt += 1;
    },
    served: async (version) => {
      served.push(version);
      return release;
    },
    say: (line) => void said.push(line),
  });
});
after(async () => {
  await watching.close();
  await rm(folder, { recursive: true });
});

const file = (name: string) => join(folder, 'bot', name);
/** A few utterances an intent: what is looked at is when it trains, and not how well. */
async function shorten(): Promise<void> {
  const intents = JSON.parse(await readFile(file('intents.json'), 'utf8')) as {
    utterances: Record<string, string[]>;
  }[];
  for (const { utterances } of intents)
    for (const [tag, texts] of Object.entries(utterances)) utterances[tag] = texts.slice(0, 8);
  await writeFile(file('intents.json'), `${JSON.stringify(intents, null, 2)}\n`);
}
async function edit(name: string, from: string, to: string, how: 'in place' | 'renamed' | 'replaced' = 'in place') {
  const text = (await readFile(file(name), 'utf8')).replace(from, to);
  if (how === 'in place') return await writeFile(file(name), text);
  // Editors write another file and put it in the place of the first, or move that away before.
  await writeFile(file(`.${name}.tmp`), text);
  if (how === 'replaced') await rename(file(name), file(`${name}~`));
  await rename(file(`.${name}.tmp`), file(name));
}
const live = async (count: number) => await eventually(async () => published.length >= count, 5);

test('every way of saving is seen, again and again', async () => {
  let count = 0;
  for (const how of ['in place', 'renamed', 'replaced', 'renamed', 'in place'] as const) {
    await edit(
      'phrases.json',
      count === 0 ? 'Take your time.' : `Take your time ${count}.`,
      `Take your time ${count + 1}.`,
      how,
    );
    count += 1;
    await live(count);
    assert.match(published.at(-1)!.phrases.flow_waiting!.en!, new RegExp(`time ${count}\\.`), how);
  }
  assert.match(said.at(-1)!, /^phrases\.json: live \(\d\.\d s\)\.$/);
});

test('what is wrong is said once, and the last good content stays; so it does while a file is away', async () => {
  const before = published.length;
  await edit('flows.json', '"call": "book"', '"call": "bok"');
  await eventually(
    async () => /Not taken over: \d to correct[\s\S]*flows\.json:\d+ {2}there is no action "bok"/.test(said.at(-1)!),
    5,
  );
  await edit('flows.json', '"call": "bok"', '"call": "book"');
  await eventually(async () => said.includes('Nothing is wrong any more.'), 5);
  await rename(file('personal-details.json'), file('away'));
  await eventually(async () => /personal-details\.json {2}is missing/.test(said.at(-1)!), 5);
  await rename(file('away'), file('personal-details.json'));
  await sleep(600);
  assert.equal(published.length, before, 'nothing of it was taken over');
});

test('code is built anew, and content beside it is taken over all the same', async () => {
  const before = published.length;
  await writeFile(file('index.ts'), 'export const actions = {};');
  await edit('bot.json', 'Midori Clinic', 'Midori');
  await live(before + 1);
  assert.equal(rebuilt, 1);
});

test('an answer trains nothing; an utterance does, and what serves it is said', async () => {
  const before = said.length;
  await edit('intents.json', '電話番号は03-0000-0000です', '電話は03-0000-0000です');
  await eventually(async () => said.slice(before).some((line) => line.startsWith('intents.json: live')), 5);
  await sleep(500);
  assert.ok(!said.slice(before).some((line) => line.includes('training')), 'an answer alone');
  release = 'sha256:abc';
  await edit('intents.json', '"予約をお願いします",', '"予約をお願いします",\n        "予約とりたいなあ",');
  await eventually(async () => said.at(-1)!.includes('production serves the release sha256:abc'), 240);
  assert.match(
    said.at(-1)!,
    /npm run release -- .*intents\/1\.0\.\d+, npm run release -- .*faq\/1\.0\.\d+, and then npm run swap/,
  );
  assert.equal(served.length, 1);
});
