import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildFunctions } from '../../scripts/build/functions.ts';
import { ensureBotModels } from '../../scripts/local/bot-models.ts';
import type { PlatformOptions } from '../../scripts/local/platform.ts';
import { type Answer, eventually, root } from './fixture.ts';

/** What customers will ask for, and the bot does not know. */
export const MISSING = 'parking';
const UTTERANCES = 8;
/** So few are learned in fewer rounds. */
const QUICK = { epochs: 8, vectorEpochs: 4 };
const KEPT = new Set(
  'greeting goodbye thanks yes no help person back_to_bot appointment_book appointment_cancel appointment_list opening_hours location first_visit fees none'.split(
    ' ',
  ),
);

type Intent = { name: string; utterances: Record<string, string[]> } & Record<string, unknown>;

export interface LearningBot {
  options: Partial<PlatformOptions>;
  /** Twenty-five ways in which customers ask for what is missing; forty messages about what is not. */
  asked: string[];
  others: string[];
  /** The intent that is meant by those, with two utterances a language, as somebody would write it. */
  missing: Intent;
  remove(): Promise<void>;
}

/** The clinic's bot with few utterances, and without what its customers will ask for: built, and trained. */
export async function learningBot(): Promise<LearningBot> {
  // In the repository: the built app finds what runs models from there.
  await mkdir(join(root, '.local'), { recursive: true });
  const folder = await mkdtemp(join(root, '.local/training-test-'));
  const [app, bot] = [join(folder, 'functions'), join(folder, 'bot')];
  await cp(join(root, 'examples/clinic'), bot, { recursive: true });
  await rm(join(bot, 'stories'), { recursive: true });
  const intents = JSON.parse(await readFile(join(bot, 'intents.json'), 'utf8')) as Intent[];
  const { suggestions: _, ...parking } = intents.find(({ name }) => name === MISSING)!;
  const asked = [...parking.utterances.en!.slice(0, 23), 'is there a car park', 'where do i leave my car'];
  const held: string[] = ['text,intent'];
  // A few of them: what is looked at is the way, and not how well.
  const rest = intents.filter(({ name }) => KEPT.has(name));
  for (const { name, utterances } of rest)
    for (const [tag, texts] of Object.entries(utterances)) {
      utterances[tag] = texts.slice(0, tag === 'en' ? UTTERANCES : 2);
      const few = tag === 'en' ? texts.slice(UTTERANCES, UTTERANCES + 3) : [];
      if (name !== 'none') held.push(...few.map((text) => `"${text.replaceAll('"', '""')}",${name}`));
    }
  await writeFile(join(bot, 'intents.json'), JSON.stringify(rest, null, 2));
  await writeFile(join(bot, 'recipe.json'), JSON.stringify(QUICK));
  await mkdir(join(bot, 'held-out'));
  await writeFile(join(bot, 'held-out/all.csv'), held.join('\n'));
  await buildFunctions({ target: app, bot });
  const models = await ensureBotModels(join(folder, 'models'), () => {}, bot);
  const utterances = { en: parking.utterances.en!.slice(24), ja: parking.utterances.ja!.slice(0, 2) };
  return {
    options: { models, app, bot: join(root, 'examples/clinic'), slots: true, training: true },
    asked,
    others: rest.flatMap((intent) => intent.utterances.en!.slice(4, 6)).slice(0, 40),
    missing: { ...parking, utterances },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Releases the model server itself: what is trained is put on it. */
export async function releaseServer(settings: Record<string, string>): Promise<void> {
  const env = { ...process.env, ...settings, NODE_TEST_CONTEXT: undefined };
  const file = join(root, 'scripts/release/index.ts');
  await new Promise<void>((done, failed) => {
    execFile(process.execPath, [file, '--server'], { env, cwd: root }, (error) => (error ? failed(error) : done()));
  });
}

type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>;

/** Somebody publishes what is missing, and says of twenty of the customers' messages that they mean it: `ask` is an editor's. */
export async function teach(ask: Ask, { asked, missing }: Pick<LearningBot, 'asked' | 'missing'>): Promise<void> {
  assert.equal((await ask('PUT', `content/items/intent.${MISSING}`, { value: missing, etag: null })).status, 200);
  const { drafts } = (await ask('GET', 'content')).body;
  const published = await ask('POST', 'content/publish', { note: MISSING, drafts });
  assert.equal(published.status, 200, JSON.stringify(published.body));
  const wanted = new Set(asked.slice(0, 20));
  let labelled = 0;
  await eventually(async () => {
    const { items } = (await ask('POST', 'review', {})).body;
    for (const { id, text } of items) {
      const decision = wanted.has(text) ? { kind: 'intent', intent: MISSING } : { kind: 'skip' };
      if (decision.kind === 'intent') labelled += 1;
      assert.equal((await ask('POST', `review/${id}`, decision)).status, 200);
    }
    return labelled >= 16 && items.length === 0;
  }, 60);
}
