import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TrainingJob } from '../../../functions/training/job/job.ts';
import { type Azurite, startAzurite } from '../../../scripts/local/azurite.ts';
import { freePorts } from '../../../scripts/local/ports.ts';
import { bot } from '../../bot.ts';
import { useDatabase } from '../database.ts';

/** What a search has found, as a draft of the content that trainings learn by. */
const database = useDatabase();
const RECIPE = 'part.recipe';
const kim = { id: 'kim', name: 'Kim' };
let azurite: Azurite;
let folder: string;
let trainings: typeof import('../../../functions/services/trainings.ts');
let content: typeof import('../../../functions/services/content.ts');
let blobs: typeof import('../../../functions/services/blobs.ts');
let jobs: typeof import('../../../functions/training/job/job.ts');

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-trainings-'));
  azurite = await startAzurite(await freePorts(), folder, join(folder, 'logs'));
  process.env.STORAGE_CONNECTION = azurite.connection;
  trainings = await import('../../../functions/services/trainings.ts');
  content = await import('../../../functions/services/content.ts');
  blobs = await import('../../../functions/services/blobs.ts');
  jobs = await import('../../../functions/training/job/job.ts');
});
after(async () => {
  await azurite?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A job whose search has found these settings, and what it learned from. */
async function jobOf(
  settings: Record<string, number>,
  at: number,
  recipe?: Record<string, number>,
): Promise<TrainingJob> {
  const figures = { accuracy: 0.9, auroc: null };
  const asked = jobs.queued({ by: kim, why: 'person', changes: 0, content: 'c' }, at, { trials: 12, seconds: 60 });
  const examples = JSON.stringify({ content: { ...bot.content, ...(recipe && { recipe }) }, judges: [], taught: [] });
  await blobs
    .blobService()
    .getContainerClient('trainings')
    .getBlockBlobClient(`${asked.id}/examples.json`)
    .upload(examples, Buffer.byteLength(examples));
  return { ...asked, search: { ...asked.search!, found: { settings, before: figures, after: figures } } };
}
const draft = async () => (await content.readDraft(RECIPE))?.document ?? null;

test('the best recipe is kept as a draft, once; a training learns by it; nothing is kept where nothing was better', async () => {
  await trainings.keepRecipe(await jobOf({}, 500));
  assert.equal(await draft(), null);

  const job = await jobOf({ epochs: 24 }, 1_000, { C: 2 });
  await trainings.keepRecipe(job);
  await trainings.keepRecipe(job);
  const kept = (await draft())!;
  assert.deepEqual([kept.value, kept.by, kept.history.length], [{ C: 2, epochs: 24 }, kim, 0]);
  assert.notEqual(kept.base, null, 'what was live when it was sought is not live: who publishes is told');

  const { id } = await trainings.beginTraining('person', kim, Date.now());
  const { content: learned } = await trainings.readExamples(id);
  assert.deepEqual(learned.recipe, { C: 2, epochs: 24 });
});

test('what a person has written since the job began stays', async () => {
  const known = await content.readDraft(RECIPE);
  await content.writeDraft(RECIPE, { epochs: 10 }, known?.etag ?? null, kim, bot.content);
  await trainings.keepRecipe(await jobOf({ epochs: 24 }, 2_000));
  assert.deepEqual((await draft())!.value, { epochs: 10 });
});

test('a draft that is no recipe is not learned by', async () => {
  const known = await content.readDraft(RECIPE);
  await content.writeDraft(RECIPE, { epochs: 1e9 }, known!.etag, kim, bot.content);
  await database.container('trainings').item('cursor', 'cursor').delete();
  const { id } = await trainings.beginTraining('person', kim, Date.now());
  assert.equal((await trainings.readExamples(id)).content.recipe, undefined);
});

test('a job of before there were searches has none', async () => {
  const { search: _, ...old } = await jobOf({}, 4_000);
  await database.container('trainings').items.create(old);
  assert.equal((await trainings.readTraining(old.id))!.search, null);
  assert.ok((await trainings.listTrainings(10)).every(({ search }) => search === null || search !== undefined));
});
