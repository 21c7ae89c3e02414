import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { tasks } from '../tasks/index.ts';
import { InvalidRow, type Runner } from '../tasks/task.ts';
import type { Manifest } from './manifest.ts';
import { readOnnxFile } from './onnx-file.ts';
import { datatypeOf, datatypes, type TensorData, type TensorMetadata } from './tensor.ts';

/**
 * A worker thread: holds sessions and runs batches. ONNX Runtime blocks the thread it runs on, so it never runs where
 * HTTP is served.
 */
export type Job =
  | { kind: 'load'; id: number; model: string; folder: string; manifest: Manifest }
  | { kind: 'unload'; id: number; model: string }
  | { kind: 'rows'; id: number; model: string; rows: unknown[] }
  | { kind: 'tensors'; id: number; model: string; feeds: Record<string, TensorData>; outputs: string[] };

export interface Signature {
  inputs: TensorMetadata[];
  outputs: TensorMetadata[];
  opset: number;
  /** The first dimension of every input and output is open and of one name: requests may be joined along it. */
  batchable: boolean;
  /** Least and greatest id of inputs that are looked up in a table. */
  bounds: Record<string, [number, number]>;
}

export type RowResult = { ok: true; value: unknown } | { ok: false; reason: string };

/** Milliseconds. */
export interface Timing {
  preprocess: number;
  compute: number;
  postprocess: number;
}

export type JobResult =
  | { kind: 'signature'; signature: Signature }
  | { kind: 'rows'; results: RowResult[]; timing: Timing }
  | { kind: 'tensors'; outputs: Record<string, TensorData>; timing: Timing }
  | { kind: 'done' };

export type Reply = { id: number; result: JobResult } | { id: number; error: string };

interface Loaded {
  session: InferenceSession;
  signature: Signature;
  runner: Runner | null;
}

/** A file with more than this is never read whole: its weights are mapped from where they stand. */
const MAP_BYTES = 64 * 1024 * 1024;
/** Weights smaller than this stay in the stub. */
const KEEP_BYTES = 64 * 1024;

/**
 * ONNX Runtime's JavaScript part gives float16 tensors a Float16Array where there is one, but its native part only reads
 * Uint16Array. It decides when the first tensor is made: that one is made without.
 */
const { Float16Array: Half } = globalThis;
Object.assign(globalThis, { Float16Array: undefined });
new Tensor('float32', new Float32Array(1), [1]);
Object.assign(globalThis, { Float16Array: Half });

const models = new Map<string, Loaded>();

parentPort!.on('message', async (job: Job) => {
  try {
    const result = await handle(job);
    const transfer = result.kind === 'tensors' ? buffers(result.outputs) : [];
    parentPort!.postMessage({ id: job.id, result } satisfies Reply, transfer);
  } catch (error) {
    parentPort!.postMessage({
      id: job.id,
      error: error instanceof Error ? error.message : String(error),
    } satisfies Reply);
  }
});

async function handle(job: Job): Promise<JobResult> {
  switch (job.kind) {
    case 'load': {
      const loaded = await load(job.folder, job.manifest);
      models.set(job.model, loaded);
      return { kind: 'signature', signature: loaded.signature };
    }
    case 'unload': {
      const loaded = models.get(job.model);
      models.delete(job.model);
      await loaded?.session.release();
      return { kind: 'done' };
    }
    case 'rows':
      return await runRows(known(job.model), job.rows);
    case 'tensors':
      return await runTensors(known(job.model), job.feeds, job.outputs);
  }
}

function known(model: string): Loaded {
  const loaded = models.get(model);
  if (!loaded) throw new Error(`${model} is not loaded`);
  return loaded;
}

async function load(folder: string, manifest: Manifest): Promise<Loaded> {
  const path = join(folder, 'model.onnx');
  const file = readOnnxFile(path);
  const extra: Record<string, string> = manifest.session.prepacking ? {} : { disable_prepacking: '1' };
  // One thread a session: the default spins on every core and collapses beside another process.
  const threads = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 as const };
  // Not its own log (severity 4: fatal): it writes lines with input values to stderr, beside the JSON of this process.

  const { size } = await stat(path);
  const session =
    size > MAP_BYTES && file.initializers.some(({ rawLength }) => rawLength >= KEEP_BYTES)
      ? await InferenceSession.create(file.stub('model.onnx', KEEP_BYTES), {
          ...threads,
          extra: { session: { ...extra, model_external_initializers_file_folder_path: folder } },
        })
      : await InferenceSession.create(path, { ...threads, extra: { session: extra } });
  const inputs = session.inputMetadata.map(metadata);
  const outputs = session.outputMetadata.map(metadata);
  // One open dimension of the same name: what goes in along it comes out along it. Of others nothing is known.
  const first = [...session.inputMetadata, ...session.outputMetadata].map((given) =>
    given.isTensor ? given.shape[0] : undefined,
  );
  const open = typeof first[0] === 'string' && first[0] !== '' && first.every((size) => size === first[0]);
  const signature: Signature = {
    inputs,
    outputs,
    opset: file.opset,
    batchable: open,
    bounds: Object.fromEntries(file.bounds),
  };
  if (manifest.task === 'tensor') return { session, signature, runner: null };
  const runner = await tasks[manifest.task].createRunner(manifest, folder, session.inputNames);
  return { session, signature, runner };
}

function metadata(given: InferenceSession.ValueMetadata): TensorMetadata {
  const datatype = given.isTensor ? datatypeOf(given.type) : undefined;
  if (!given.isTensor || !datatype)
    throw new Error(`${given.name}: only tensors of the Open Inference Protocol's types can be served`);
  return {
    name: given.name,
    datatype,
    shape: given.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)),
  };
}

/** Runs the rows that can be prepared as one batch (or one by one, where the model's batch is closed). */
async function runRows({ session, runner, signature }: Loaded, rows: unknown[]): Promise<JobResult> {
  if (!runner) throw new Error('the model takes tensors, not rows');
  const started = performance.now();
  const results: RowResult[] = new Array(rows.length);
  const prepared: unknown[] = [];
  const places: number[] = [];
  const attempts = rows.map(async (row) => await runner.prepare(row));
  for (const [place, attempt] of (await Promise.allSettled(attempts)).entries()) {
    if (attempt.status === 'fulfilled') {
      prepared.push(attempt.value);
      places.push(place);
    } else if (attempt.reason instanceof InvalidRow) results[place] = { ok: false, reason: attempt.reason.message };
    else throw attempt.reason;
  }
  const timing: Timing = { preprocess: 0, compute: 0, postprocess: 0 };
  const groups = signature.batchable ? [prepared] : prepared.map((row) => [row]);
  const values: unknown[] = [];
  let mark = started;
  const lap = (phase: keyof Timing) => {
    const now = performance.now();
    timing[phase] += now - mark;
    mark = now;
  };
  for (const group of groups.filter((rowsOfOne) => rowsOfOne.length > 0)) {
    const feeds = runner.feeds(group);
    lap('preprocess');
    const outputs = await session.run(feeds);
    lap('compute');
    values.push(...runner.results(outputs as Record<string, Tensor>, group.length));
    lap('postprocess');
  }
  for (const [index, place] of places.entries()) results[place] = { ok: true, value: values[index] };
  return { kind: 'rows', results, timing };
}

async function runTensors(
  { session }: Loaded,
  given: Record<string, TensorData>,
  wanted: string[],
): Promise<JobResult> {
  const started = performance.now();
  const feeds: Record<string, Tensor> = {};
  for (const [name, { datatype, shape, data }] of Object.entries(given))
    feeds[name] = new Tensor(datatypes[datatype].onnx as 'float32', toRuntime(data) as Float32Array, shape);
  const prepared = performance.now();
  const ran = await (wanted.length > 0 ? session.run(feeds, wanted) : session.run(feeds));
  const computed = performance.now();
  const outputs: Record<string, TensorData> = {};
  for (const [name, value] of Object.entries(ran)) {
    const tensor = value as Tensor;
    const datatype = datatypeOf(tensor.type)!;
    outputs[name] = { datatype, shape: [...tensor.dims], data: fromRuntime(tensor) };
  }
  const timing = {
    preprocess: prepared - started,
    compute: computed - prepared,
    postprocess: performance.now() - computed,
  };
  return { kind: 'tensors', outputs, timing };
}

function toRuntime(data: TensorData['data']): TensorData['data'] {
  return data instanceof Half ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
}

function fromRuntime({ type, data }: Tensor): TensorData['data'] {
  if (type !== 'float16') return data as TensorData['data'];
  const halves = data as unknown as Uint16Array<ArrayBuffer>;
  return new Half(halves.buffer, halves.byteOffset, halves.length);
}

/** Memory that may be handed over instead of copied. */
function buffers(tensors: Record<string, TensorData>): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  for (const { data } of Object.values(tensors))
    if (!Array.isArray(data) && data.buffer instanceof ArrayBuffer) found.add(data.buffer);
  return [...found];
}
