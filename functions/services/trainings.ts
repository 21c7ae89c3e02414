import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashOf, RECIPE } from '../content/item.ts';
import type { Agent } from '../conversation/document.ts';
import { recipe } from '../dialog/bot.ts';
import { changesBetween, type Drafted, type Examples, examplesOf } from '../training/job/examples.ts';
import {
  queued,
  type Search,
  type State,
  stop,
  stoppable,
  type TrainingJob,
  underWay,
  type Why,
} from '../training/job/job.ts';
import type { Confusion } from '../training/job/thread.ts';
import { blobService } from './blobs.ts';
import { deployedContent, listDrafts, published, readDraft, Stale, writeDraft } from './content.ts';
import { Documents } from './documents.ts';
import { Rejected, unavailable } from './failure.ts';
import { heldOut } from './held-out.ts';
import { sendTraining } from './queues.ts';
import { labels, lastDecision } from './reviews.ts';
import { log } from './telemetry.ts';

/**
 * Training jobs (container `trainings`, partition key = id), what each learns from, its packages and its report (Blob container `trainings`,
 * below `<id>/`), and the cursor: which job was the last, so that each thing that is taught counts once, and no two are under way.
 */
export const trainings = new Documents<TrainingJob>('trainings', upcast);

/** Jobs that were made before there were searches have none. */
function upcast(job: TrainingJob): TrainingJob {
  return { ...job, search: job.search ?? null };
}

interface Cursor {
  id: typeof CURSOR;
  /** The newest job that had come to an end of its own when this one was made: what is new is new since then. */
  base: string | null;
  /** The newest job as it was made: where its maker died before it was written, it is made from this. */
  job: TrainingJob;
}

const CURSOR = 'cursor';
const cursors = new Documents<Cursor>('trainings');
const TIMEOUT_MS = 60_000;
const OPEN = 50;
const UNDER_WAY = 'Another training is under way: let it end, or cancel it.';
/** Jobs that ended so have learned what they were to learn. */
const JUDGED: readonly State[] = ['judged', 'waiting', 'kept', 'pushed', 'released'];

/** Another job is under way, or nothing is there to learn from. */
export class NotNow extends Error {}

export async function listTrainings(limit: number): Promise<TrainingJob[]> {
  const query = `SELECT TOP ${limit} * FROM c WHERE c.at > 0 ORDER BY c.at DESC`;
  return (await trainings.query(query, [], { limit })).map(upcast);
}

export async function readTraining(id: string): Promise<TrainingJob | null> {
  return (await trainings.read(id))?.document ?? null;
}

interface Taught {
  examples: Examples;
  /** Since the last job. */
  changes: number;
}

/** What was taught since the last job: published, or labelled and not taken out again. */
async function taught(): Promise<Taught> {
  const [live, cursor, said] = await Promise.all([published(), cursors.read(CURSOR), labels()]);
  const drafts = await listDrafts(live);
  const drafted: Drafted = new Map(
    drafts.flatMap(({ item, value }) => {
      const utterances = (value as { utterances?: Record<string, string[]> } | null)?.utterances;
      return item.startsWith('intent.') && utterances ? [[item.slice('intent.'.length), utterances]] : [];
    }),
  );
  const held = (await heldOut()).intents.map(({ text }) => text);
  // As what was taught and is not published yet: what a search has found counts until somebody takes it out again.
  const draft = drafts.find(({ item }) => item === RECIPE);
  const wanted = recipe.optional().safeParse(draft ? (draft.value ?? undefined) : live.content.recipe);
  const content = wanted.success ? { ...live.content, recipe: wanted.data } : live.content;
  const examples = examplesOf(content, drafted, said, held);
  const base = cursor && (await baseOf(cursor.document));
  // What it had learned from is removed after a year, or was: then it counts from what was deployed.
  const known = base ? await readJson(`${base}/examples.json`) : null;
  const before = known ? (known as Examples).taught : examplesOf(deployedContent(), new Map(), []).taught;
  return { examples, changes: changesBetween(before, examples.taught) };
}

/** What was found when everything was last looked through: until something is taught again, it is the same. */
let found: { key: string; changes: number; until: number } | undefined;
/** How long, at most: a label is in a draft a moment after it was given, and what is taken out of a draft has no time. */
const FRESH_MS = 20_000;

/** How much was taught since the last job, and when the last of it was; three reads, where nothing new is there. */
export async function changesTaught(): Promise<{ changes: number; changedAt: number; lastAt: number }> {
  const [live, said, cursor] = await Promise.all([published(), lastDecision(), cursors.read(CURSOR)]);
  const changedAt = Math.max(live.pointer?.document.at ?? 0, said);
  const lastAt = cursor?.document.job.at ?? 0;
  const key = `${live.content.version} ${changedAt} ${lastAt}`;
  if (changedAt === 0 && lastAt === 0) return { changes: 0, changedAt, lastAt };
  if (found?.key !== key || found.until < Date.now())
    found = { key, changes: (await taught()).changes, until: Date.now() + FRESH_MS };
  return { changes: found.changes, changedAt, lastAt };
}

/** Jobs that something is still to come of, and those that operators may have to hear of, the newest first. */
export async function openTrainings(since: number): Promise<TrainingJob[]> {
  const query = `SELECT TOP ${OPEN} * FROM c WHERE c.state IN ('queued', 'searching', 'training', 'judged', 'pushed') OR c.at > @since ORDER BY c.at DESC`;
  return (await trainings.query(query, [{ name: '@since', value: since }], { limit: OPEN })).map(upcast);
}

/** Makes a job and wakes its worker. Throws {@link NotNow} while another is under way. */
export async function beginTraining(
  why: Why,
  by: Agent | null,
  now: number,
  search: Pick<Search, 'trials' | 'seconds'> | null = null,
): Promise<TrainingJob> {
  const { examples, changes } = await taught();
  const job = queued({ by, why, changes, content: examples.content.version }, now, search);
  const known = await cursors.read(CURSOR);
  // Before anything is written: most are refused here.
  if (known && underWay((await readTraining(known.document.job.id)) ?? known.document.job)) throw new NotNow(UNDER_WAY);
  const base = known && (await baseOf(known.document));
  await writeJson(`${job.id}/examples.json`, examples);
  const refusal = await cursors.change<string | null, TrainingJob | null>(CURSOR, {
    prepare: async (cursor) => (cursor ? ((await readTraining(cursor.job.id)) ?? cursor.job) : null),
    transition: (cursor, last) => {
      if (last && underWay(last)) return [null, UNDER_WAY];
      // Versions are named by the second.
      if (cursor && now - cursor.job.at < 1_000) return [null, 'Another training has just begun.'];
      return [{ id: CURSOR, job, base }, null];
    },
  });
  if (refusal !== null) throw new NotNow(refusal);
  // It has begun, whatever comes: the timer mends the rest.
  await wakeTraining(job).catch((error) =>
    log('warn', 'a training was not woken; the timer does', { id: job.id, error: String(error) }),
  );
  return job;
}

/**
 * Keeps what a search has found with the content, as a draft that somebody publishes; what was written since the job began stays. Repeatable.
 */
export async function keepRecipe({ search, by, id, at }: TrainingJob): Promise<void> {
  const settings = search?.found?.settings ?? {};
  if (Object.keys(settings).length === 0 || !by) return;
  const [live, draft, { content }] = await Promise.all([published(), readDraft(RECIPE), readExamples(id)]);
  const value = { ...content.recipe, ...settings };
  if (draft && (draft.document.draftAt > at || hashOf(value) === hashOf(draft.document.value))) return;
  // What was live when it was sought: where something else is by now, whoever publishes is told.
  const base = content.recipe ? hashOf(content.recipe) : null;
  try {
    await writeDraft(RECIPE, value, draft?.etag ?? null, by, live.content, { base });
  } catch (error) {
    // Whoever has just written one knows better.
    if (!(error instanceof Stale)) throw error;
  }
}

/** The job that counting begins from: one that failed, or was cancelled, has learned nothing. */
async function baseOf({ job, base }: Cursor): Promise<string | null> {
  const last = (await readTraining(job.id)) ?? job;
  return JUDGED.includes(last.state) || underWay(last) ? job.id : base;
}

async function wakeTraining(job: TrainingJob): Promise<void> {
  await trainings.change(job.id, { transition: (known) => [known ? null : job, undefined] });
  await sendTraining(job.id);
}

/** Sees to it that the newest job has its document: whoever made it may have died in between. */
export async function mendCursor(): Promise<void> {
  const cursor = await cursors.read(CURSOR);
  if (!cursor) return;
  const { job } = cursor.document;
  if (!(await readTraining(job.id))) await wakeTraining(job);
}

/** Whether no other job was begun since. */
export async function isNewest({ id }: TrainingJob): Promise<boolean> {
  const cursor = await cursors.read(CURSOR);
  return !cursor || cursor.document.job.id === id;
}

/** Ends a job. Null: there is none, or it has ended. */
export async function stopTraining(id: string, by: Agent, now: number): Promise<TrainingJob | null> {
  return await trainings.change<TrainingJob | null>(id, {
    transition: (job) => {
      const next = job && stoppable(job) ? stop(job, by, now) : null;
      return [next, next];
    },
  });
}

/** What a job has found out, for people: a report of its own beside the document. */
export interface TrainingReport {
  /** Of what was held out of the training. */
  confusion: Confusion;
  /** What both models were asked, where they differ: utterances that people know the meaning of. */
  judged: { text: string; intent: string; before: string; after: string }[];
  threshold: number;
}

/** Throws Unavailable, and Rejected where it is not there any more. */
export async function readExamples(id: string): Promise<Examples> {
  const found = await readJson(`${id}/examples.json`);
  if (!found) throw new Rejected('trainings', 'what it was to learn from is not there any more');
  return found as Examples;
}

export async function writeReport(id: string, report: TrainingReport): Promise<void> {
  await writeJson(`${id}/report.json`, report);
}

/** Null: it is not there any more. */
export async function readReport(id: string): Promise<TrainingReport | null> {
  return (await readJson(`${id}/report.json`)) as TrainingReport | null;
}

const container = () => blobService().getContainerClient('trainings');

async function writeJson(name: string, value: unknown): Promise<void> {
  const text = JSON.stringify(value);
  try {
    await container()
      .getBlockBlobClient(name)
      .upload(text, Buffer.byteLength(text), {
        blobHTTPHeaders: { blobContentType: 'application/json' },
        abortSignal: AbortSignal.timeout(TIMEOUT_MS),
      });
  } catch (error) {
    throw unavailable('trainings', error);
  }
}

/** Null: there is no such blob. */
async function readJson(name: string): Promise<unknown> {
  try {
    const bytes = await container()
      .getBlockBlobClient(name)
      .downloadToBuffer(undefined, undefined, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    return JSON.parse(bytes.toString());
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return null;
    throw unavailable('trainings', error);
  }
}

/** Keeps the packages of a job: `<folder>/<model>/<version>` each. */
export async function keepPackages(id: string, folder: string): Promise<void> {
  try {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      const name = file.slice(folder.length + 1).replaceAll('\\', '/');
      await container()
        .getBlockBlobClient(`${id}/packages/${name}`)
        .uploadFile(file, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    }
  } catch (error) {
    throw unavailable('trainings', error);
  }
}

/** The files of the packages of a job, by their place below `<folder>/<model>/<version>`. */
export async function listPackages(id: string): Promise<{ name: string; download(file: string): Promise<void> }[]> {
  const prefix = `${id}/packages/`;
  const found: { name: string; download(file: string): Promise<void> }[] = [];
  try {
    for await (const { name } of container().listBlobsFlat({ prefix, abortSignal: AbortSignal.timeout(TIMEOUT_MS) }))
      found.push({
        name: name.slice(prefix.length),
        download: async (file) => {
          try {
            await container()
              .getBlockBlobClient(name)
              .downloadToFile(file, undefined, undefined, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
          } catch (error) {
            throw unavailable('trainings', error);
          }
        },
      });
  } catch (error) {
    throw unavailable('trainings', error);
  }
  return found;
}
