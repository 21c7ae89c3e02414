import { parentPort } from 'node:worker_threads';
import { type Answered, answerAll, type Request } from '../protocol/requests.ts';
import type { Manifest } from './manifest.ts';
import { type Loaded, open, type Signature } from './session.ts';

/**
 * A worker thread: holds every model, and answers requests from their bytes to the bytes of the reply. ONNX Runtime blocks
 * the thread it runs on, and parsing a large body does too, so both happen here; but what is quick runs where HTTP is served (inline.ts).
 */
export type Job =
  | { kind: 'load'; id: number; model: string; folder: string; manifest: Manifest }
  | { kind: 'unload'; id: number; model: string }
  | { kind: 'answer'; id: number; model: string; requests: Request[] }
  | { kind: 'close'; id: number };

export type JobResult =
  | { kind: 'signature'; signature: Signature }
  | ({ kind: 'answers' } & Answered)
  | { kind: 'done' };

export type Reply = { id: number; result: JobResult } | { id: number; error: string };

const models = new Map<string, Loaded>();

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
      const loaded = await open(job.folder, job.manifest);
      models.set(job.model, loaded);
      return { kind: 'signature', signature: loaded.signature };
    }
    case 'unload':
      await unload(job.model);
      return { kind: 'done' };
    case 'answer': {
      const loaded = models.get(job.model);
      if (!loaded) throw new Error(`${job.model} is not loaded`);
      return { kind: 'answers', ...(await answerAll(loaded, job.requests)) };
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

async function unload(model: string): Promise<void> {
  const loaded = models.get(model);
  models.delete(model);
  await loaded?.session.release();
}
