import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Agent } from '../conversation/document.ts';
import { changesBetween, type Drafted, type Examples, examplesOf } from '../training/job/examples.ts';
import { queued, stop, stoppable, type TrainingJob, underWay, type Why } from '../training/job/job.ts';
import type { Confusion } from '../training/job/thread.ts';
import { blobService } from './blobs.ts';
import { deployedContent, listDrafts, published } from './content.ts';
import { Documents } from './documents.ts';
import { unavailable } from './failure.ts';
import { sendTraining } from './queues.ts';
import { labels, lastDecision } from './reviews.ts';

/**
 * Training jobs (container `trainings`, partition key = id), what each learns from, its packages and its report (Blob container `trainings`,
 * below `<id>/`), and the cursor: which job was the last, so that each thing that is taught counts once, and no two are under way.
 */
export const trainings = new Documents<TrainingJob>('trainings');

interface Cursor {
  id: typeof CURSOR;
  /** The newest job as it was made: where its maker died before it was written, it is made from this. */
  job: TrainingJob;
}

const CURSOR = 'cursor';
const cursors = new Documents<Cursor>('trainings');
const TIMEOUT_MS = 60_000;

/** Another job is under way, or nothing is there to learn from. */
export class NotNow extends Error {}

export async function listTrainings(limit: number): Promise<TrainingJob[]> {
  return await trainings.query(`SELECT TOP ${limit} * FROM c WHERE c.at > 0 ORDER BY c.at DESC`, [], {
    limit,
  });
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
  const examples = examplesOf(live.content, drafted, said);
  const last = cursor?.document.job;
  const before = last ? (await readExamples(last.id)).taught : examplesOf(deployedContent(), new Map(), []).taught;
  return { examples, changes: changesBetween(before, examples.taught) };
}

/** What was found when everything was last looked through: until something is taught again, it is the same. */
let found: { key: string; changes: number } | undefined;

/** How much was taught since the last job, and when the last of it was; three reads, where nothing new is there. */
export async function changesTaught(): Promise<{ changes: number; changedAt: number; lastAt: number }> {
  const [live, said, cursor] = await Promise.all([published(), lastDecision(), cursors.read(CURSOR)]);
  const changedAt = Math.max(live.pointer?.document.at ?? 0, said);
  const lastAt = cursor?.document.job.at ?? 0;
  const key = `${live.content.version} ${changedAt} ${lastAt}`;
  if (changedAt === 0 && lastAt === 0) return { changes: 0, changedAt, lastAt };
  if (found?.key !== key) found = { key, changes: (await taught()).changes };
  return { changes: found.changes, changedAt, lastAt };
}

/** Makes a job and wakes its worker. Throws {@link NotNow} while another is under way. */
export async function beginTraining(why: Why, by: Agent | null, now: number): Promise<TrainingJob> {
  const { examples, changes } = await taught();
  const job = queued({ by, why, changes, content: examples.content.version }, now);
  await writeJson(`${job.id}/examples.json`, examples);
  const refusal = await cursors.change<string | null, TrainingJob | null>(CURSOR, {
    prepare: async (cursor) => (cursor ? ((await readTraining(cursor.job.id)) ?? cursor.job) : null),
    transition: (cursor, last) => {
      if (last && underWay(last)) return [null, 'Another training is under way: let it end, or cancel it.'];
      // Versions are named by the second.
      if (cursor && now - cursor.job.at < 1_000) return [null, 'Another training has just begun.'];
      return [{ id: CURSOR, job }, null];
    },
  });
  if (refusal !== null) throw new NotNow(refusal);
  await wakeTraining(job);
  return job;
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
  /** The same of logged turns, which are read where they are: a report holds nothing that a user wrote. */
  log: { conversationId: string; turnId: string; before: string; after: string }[];
  threshold: number;
}

export async function readExamples(id: string): Promise<Examples> {
  return (await readJson(`${id}/examples.json`)) as Examples;
}

export async function writeReport(id: string, report: TrainingReport): Promise<void> {
  await writeJson(`${id}/report.json`, report);
}

export async function readReport(id: string): Promise<TrainingReport> {
  return (await readJson(`${id}/report.json`)) as TrainingReport;
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

async function readJson(name: string): Promise<unknown> {
  try {
    const bytes = await container()
      .getBlockBlobClient(name)
      .downloadToBuffer(undefined, undefined, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    return JSON.parse(bytes.toString());
  } catch (error) {
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
          await container()
            .getBlockBlobClient(name)
            .downloadToFile(file, undefined, undefined, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
        },
      });
  } catch (error) {
    throw unavailable('trainings', error);
  }
  return found;
}
