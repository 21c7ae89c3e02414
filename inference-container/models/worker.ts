import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { InferenceSession } from 'onnxruntime-node';
import { InvalidRow, type Task } from '../tasks/task.ts';
import { textClassification } from '../tasks/text-classification.ts';
import { manifest } from './manifest.ts';

/** A worker thread: holds sessions and runs batches. ONNX Runtime blocks the thread it runs on, so it never runs on the HTTP thread. */
export type Request =
  | { kind: 'load'; id: number; model: string; folder: string }
  | { kind: 'unload'; id: number; model: string }
  | { kind: 'run'; id: number; model: string; rows: unknown[] };

export type RowResult = { ok: true; value: unknown } | { ok: false; reason: string };
export type Response = { id: number; ok: true; results: RowResult[] } | { id: number; ok: false; error: string };

interface Loaded {
  session: InferenceSession;
  task: Task<unknown, unknown>;
}

const models = new Map<string, Loaded>();

parentPort?.on('message', async (request: Request) => {
  try {
    parentPort!.postMessage({ id: request.id, ok: true, results: await handle(request) } satisfies Response);
  } catch (error) {
    parentPort!.postMessage({
      id: request.id,
      ok: false,
      error: error instanceof Error ? error.message : String(error),
    } satisfies Response);
  }
});

async function handle(request: Request): Promise<RowResult[]> {
  switch (request.kind) {
    case 'load':
      models.set(request.model, await load(request.folder));
      return [];
    case 'unload':
      await models.get(request.model)?.session.release();
      models.delete(request.model);
      return [];
    case 'run':
      return await run(models.get(request.model)!, request.rows);
  }
}

async function load(folder: string): Promise<Loaded> {
  const parsed = manifest.parse(JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')));
  // One thread a session: the default spins on every core and collapses beside another process.
  const session = await InferenceSession.create(join(folder, 'model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  return { session, task: await textClassification(parsed, folder) };
}

/** Runs the rows that pass their check as one batch; a row that does not fails alone. */
async function run({ session, task }: Loaded, rows: unknown[]): Promise<RowResult[]> {
  const results: RowResult[] = new Array(rows.length);
  const good: unknown[] = [];
  const places: number[] = [];
  rows.forEach((row, index) => {
    try {
      good.push(task.check(row));
      places.push(index);
    } catch (error) {
      if (!(error instanceof InvalidRow)) throw error;
      results[index] = { ok: false, reason: error.message };
    }
  });
  if (good.length > 0) {
    const outputs = await session.run(task.prepare(good));
    const values = task.finish(outputs, good);
    places.forEach((place, index) => {
      results[place] = { ok: true, value: values[index] };
    });
  }
  return results;
}
