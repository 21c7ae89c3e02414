import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Content } from '../../../functions/dialog/bot.ts';
import type { TrainData, TrainMessage, TrialData } from '../../../functions/training/job/thread.ts';
import { bot } from '../../bot.ts';

/** The thread that a training job trains in: by the recipe of the bot, and by what a search has found. */
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-thread-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const few = ['greeting', 'goodbye', 'thanks'];
const intents = bot.content.intents
  .filter(({ name }) => few.includes(name))
  .map((intent) => ({ ...intent, utterances: { en: intent.utterances.en!.slice(0, 6) } }));
const contentWith = (recipe?: Content['recipe']): Content => ({ ...bot.content, intents, faq: [], recipe });

async function run(data: TrainData | TrialData): Promise<TrainMessage> {
  const thread = new Worker(new URL('../../../functions/training/job/thread.ts', import.meta.url), {
    workerData: data,
  });
  try {
    return await new Promise((resolve, reject) => {
      thread.on('message', (message: TrainMessage) => 'share' in message || resolve(message));
      thread.once('error', reject);
    });
  } finally {
    await thread.terminate();
  }
}

/** The model's checksum. */
async function trained(name: string, recipe: Content['recipe'], settings: TrainData['settings']): Promise<string> {
  const message = await run({
    content: contentWith(recipe),
    names: { intents: name, faq: 'faq' },
    version: '1',
    folder,
    ask: { intents: [], faq: [] },
    settings,
  });
  assert.ok('result' in message, JSON.stringify(message));
  return JSON.parse(await readFile(join(folder, name, '1/model.json'), 'utf8')).files['model.onnx'];
}

test('it trains by the bot’s recipe, and by what a search has found before that', async () => {
  const quick = { epochs: 1, vectorEpochs: 1 };
  const one = await trained('one', quick, {});
  const found = await trained('found', quick, { epochs: 2 });
  assert.notEqual(found, one);
  assert.equal(await trained('kept', { ...quick, epochs: 2 }, {}), found, 'as when it is kept with the bot');
});

test('it makes a trial, and says what is wrong with what it is to learn from', async () => {
  const attempt = { index: 1, rung: 0, settings: { C: 2 } };
  const made = await run({ content: contentWith({ epochs: 1, vectorEpochs: 1 }), attempt });
  assert.ok('trial' in made && made.trial.figures && made.trial.of > 0, JSON.stringify(made));
  assert.deepEqual([made.trial.index, made.trial.rung, made.trial.settings], [1, 0, { C: 2 }]);
  const wrong = await run({ content: { ...contentWith(), intents: intents.slice(0, 1) }, attempt });
  assert.ok('wrong' in wrong && /at least 2 intents/.test(wrong.wrong), JSON.stringify(wrong));
});
