import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { collectSoon } from '../garbage.ts';
import { limitParsed } from '../protocol/json.ts';
import { type Answered, answerAll, type Request } from '../protocol/requests.ts';
import type { Package } from './package.ts';
import { probe } from './probe.ts';
import { type Loaded, open, type Signature } from './session.ts';
import { sizeOf } from './size.ts';

/**
 * A worker thread: holds every model, and answers requests from their bytes to the bytes of the reply. ONNX Runtime blocks
 * the thread it runs on, and parsing a large body does too, so both happen here; but what is quick runs where HTTP is served (inline.ts).
 */
export type Job =
  | { kind: 'load'; id: number; model: string; package: Package }
  | { kind: 'unload'; id: number; model: string }
  | { kind: 'answer'; id: number; model: string; requests: Request[] }
  | { kind: 'close'; id: number };

export type JobResult =
  | { kind: 'signature'; signature: Signature }
  | ({ kind: 'answers' } & Answered)
  | { kind: 'done' };

export type Reply = { id: number; result: JobResult } | { id: number; error: string };

/** What a worker is started with. */
export interface WorkerData {
  /** Memory that a JSON body may take once it is read. */
  requestMegabytes: number;
  /** For large bodies: whatever else this machine has to do comes first. */
  large: boolean;
}
const { requestMegabytes, large } = workerData as WorkerData;
limitParsed(requestMegabytes);

/** Also while they are being opened: one that is unloaded meanwhile is closed as soon as it is open. */
const models = new Map<string, Promise<Loaded>>();

let yielding = false;

/**
 * Lets the other threads go first. Linux has a priority for each thread, by the number that it alone can look up; not before the
 * first job, because who waits for a large one waits for its worker to start.
 */
function yieldToOthers(): void {
  if (yielding) return;
  yielding = true;
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Elsewhere all threads have the same: what is large is slower to others, and nothing else.
  }
}

/** Jobs under way: a session that is being opened is not among the models yet. */
let underWay = 0;
let settled: (() => void) | undefined;

parentPort!.on('message', async (job: Job) => {
  if (job.kind !== 'close') underWay += 1;
  try {
    const result = await handle(job);
    parentPort!.postMessage({ id: job.id, result } satisfies Reply);
  } catch (error) {
    parentPort!.postMessage({
      id: job.id,
      error: error instanceof Error ? error.message : String(error),
    } satisfies Reply);
  }
  if (job.kind !== 'close') underWay -= 1;
  if (underWay === 0) settled?.();
});

async function handle(job: Job): Promise<JobResult> {
  switch (job.kind) {
    case 'load': {
      // A worker that was started meanwhile is told twice.
      const opening = models.get(job.model) ?? openProbed(job.package);
      models.set(job.model, opening);
      try {
        const { signature } = await opening;
        return { kind: 'signature', signature };
      } catch (error) {
        if (models.get(job.model) === opening) models.delete(job.model);
        throw error;
      }
    }
    case 'unload':
      await unload(job.model);
      return { kind: 'done' };
    case 'answer': {
      const loaded = await models.get(job.model);
      if (!loaded) throw new Error(`${job.model} is not loaded`);
      if (large) yieldToOthers();
      const small = sizeOf(job.requests[0]!.body) === 'small';
      const answered = await answerAll(loaded, job.requests);
      if (!small) collectSoon();
      return { kind: 'answers', ...answered };
    }
    case 'close':
      if (underWay > 0)
        await new Promise<void>((done) => {
          settled = done;
        });
      // Sessions are released here: a thread that is ended with native code in it takes the process with it.
      for (const model of models.keys()) await unload(model);
      return { kind: 'done' };
  }
}

/** What is joined shows first that it may be. */
async function openProbed(from: Package): Promise<Loaded> {
  const loaded = await open(from);
  const { signature, manifest } = loaded;
  // How long an open-ended one takes depends on what it is given.
  if (!signature.batchable || signature.openEnded || manifest.batching.maxRows === 1) return loaded;
  const why = await probe(loaded);
  if (why) Object.assign(signature, { batchable: false, batching: `off (${why})` });
  return loaded;
}

async function unload(model: string): Promise<void> {
  const opening = models.get(model);
  models.delete(model);
  const loaded = await opening?.catch(() => undefined);
  await loaded?.session.release();
}
