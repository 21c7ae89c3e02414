import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { tasks } from '../tasks/index.ts';
import { InvalidRow, type Runner } from '../tasks/task.ts';
import { filesOnly } from './files-only.ts';
import type { Manifest } from './manifest.ts';
import { copied } from './mapped-copy.ts';
import { type OnnxFile, readOnnxFile, type Value } from './onnx-file.ts';
import { filesOf, haveSums, type Package, partsOf } from './package.ts';
import { provesRows } from './row-independence.ts';
import { datatypeOf, datatypes, type TensorData, type TensorMetadata } from './tensor.ts';

/** What a model takes and gives, as ONNX Runtime and the file say. */
export interface Signature {
  inputs: TensorMetadata[];
  outputs: TensorMetadata[];
  opset: number;
  /** How long it runs depends on values, not only on shapes. */
  openEnded: boolean;
  /** Requests may be joined along the first dimension. */
  batchable: boolean;
  /** Why, or why not: `proven`, `declared`, or `off (…)`. */
  batching: string;
  /** Least and greatest id of inputs that are looked up in a table. */
  bounds: Record<string, [number, number]>;
  /** Files of weights that its graph names, within its folder. */
  externals: string[];
  /** Of the files it was opened from ({@link Files.stamp}). */
  stamp: string;
}

export type RowResult = { ok: true; value: unknown } | { ok: false; reason: string };

/** Milliseconds by phase, and the rows of each run. */
export interface Timing {
  preprocess: number;
  compute: number;
  postprocess: number;
  batches: number[];
}

/** A model that was opened. */
export interface Loaded {
  manifest: Manifest;
  signature: Signature;
  session: InferenceSession;
  /** Null for a model that takes tensors as they are. */
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

/**
 * Opens a model. Throws with the reason when it can't be served, or when its files are not those that `stamp` is of (its folder may
 * hold something else by now).
 */
export async function open({ folder, manifest, stamp: expected, sums, copy }: Package): Promise<Loaded> {
  await filesOnly(folder);
  const path = join(folder, 'model.onnx');
  const file = readOnnxFile(path);
  const parts = partsOf(manifest, file.externals);
  const { stamp } = await filesOf(folder, parts);
  if (expected !== null && stamp !== expected && !(await haveSums(folder, parts, sums)))
    throw new Error('its files have changed since it was first opened');
  const { size } = await stat(path);
  const mapped = size > MAP_BYTES && file.initializers.some(({ rawLength }) => rawLength >= KEEP_BYTES);
  const from =
    copy !== null && (mapped || file.externals.length > 0)
      ? await copied(folder, ['model.onnx', ...file.externals], copy)
      : folder;
  // What was copied is what was looked at.
  if (from !== folder && (await filesOf(folder, parts)).stamp !== stamp)
    throw new Error('its files changed while it was opened');
  const session = await create(from, file, manifest, mapped);
  const { graph } = file;
  const inputs = session.inputMetadata.map((given) => metadata(given, graph.inputs));
  const outputs = session.outputMetadata.map((given) => metadata(given, graph.outputs));
  const joining = joined(manifest, file, inputs, outputs);
  const signature: Signature = {
    inputs,
    outputs,
    opset: file.opset,
    openEnded: file.openEnded,
    ...joining,
    bounds: Object.fromEntries(file.bounds),
    externals: file.externals,
    stamp,
  };
  if (manifest.task === 'tensor') return { manifest, session, signature, runner: null };
  const runner = await tasks[manifest.task].createRunner(manifest, folder, session.inputNames);
  return { manifest, session, signature, runner };
}

/** A session of the model in a folder; `mapped`: its weights stay where they are in the file. */
async function create(folder: string, file: OnnxFile, manifest: Manifest, mapped: boolean): Promise<InferenceSession> {
  const extra: Record<string, string> = manifest.session.prepacking ? {} : { disable_prepacking: '1' };
  // One thread a session: the default spins on every core and collapses beside another process. Not its own log
  // (severity 4: fatal): it writes lines with input values to stderr, beside the JSON of this process.
  const threads = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 as const };
  const path = join(folder, 'model.onnx');
  try {
    if (!mapped && !file.unpacked)
      return await InferenceSession.create(path, { ...threads, extra: { session: extra } });
    return await InferenceSession.create(file.stub('model.onnx', mapped ? KEEP_BYTES : Number.POSITIVE_INFINITY), {
      ...threads,
      extra: { session: { ...extra, model_external_initializers_file_folder_path: folder } },
    });
  } catch (error) {
    throw explained(error, file);
  }
}

/** Types of tensors that are not served, by their number in ONNX (TensorProto.DataType). */
const UNSERVED: Record<number, string> = {
  14: 'complex64',
  15: 'complex128',
  16: 'bfloat16',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
};

/** What ONNX Runtime says, with what to do about it where that is known. */
function explained(error: unknown, { graph }: OnnxFile): unknown {
  const message = error instanceof Error ? error.message : String(error);
  const [, type] = /Unsupported data type: (\d+)/.exec(message) ?? [];
  if (type !== undefined)
    return new Error(
      `a tensor is of ${UNSERVED[Number(type)] ?? `ONNX's type ${type}`}, which the Open Inference Protocol does not have: cast it in the model`,
    );
  if (!/locale/i.test(message)) return error;
  const locales = graph.nodes.flatMap(({ attributes }) => attributes.get('locale')?.text ?? []);
  return new Error(
    `the model needs the locale ${[...new Set(locales)].join(', ') || 'en_US'}, which this machine does not have: install it (Debian: apt-get install locales, then locale-gen), or export without it; ${message}`,
  );
}

/** Whether requests may be joined: by the word of the package, or by proof. */
function joined(
  { batching: { rows } }: Manifest,
  { graph }: OnnxFile,
  inputs: TensorMetadata[],
  outputs: TensorMetadata[],
): Pick<Signature, 'batchable' | 'batching'> {
  if (rows === 'dependent') return { batchable: false, batching: 'off (declared)' };
  if (rows === 'independent') {
    const closed = [...inputs, ...outputs].find(({ shape }) => shape[0] !== -1);
    if (closed) return { batchable: false, batching: `off (${closed.name} has no open first dimension)` };
    return { batchable: true, batching: 'declared' };
  }
  const proof = provesRows(graph);
  return proof.proven ? { batchable: true, batching: 'proven' } : { batchable: false, batching: `off (${proof.why})` };
}

/** An input or output as the protocols have it. Throws with what to do about one that they have not. */
function metadata(given: InferenceSession.ValueMetadata, values: Value[]): TensorMetadata {
  const value = values.find(({ name }) => name === given.name);
  const datatype = given.isTensor ? datatypeOf(given.type) : undefined;
  if (!given.isTensor) {
    const kind = value?.kind ?? 'value';
    const how = kind === 'sequence of maps' ? ' (scikit-learn: options={"zipmap": False})' : '';
    throw new Error(
      `${given.name} can't be served, for it is no tensor (${kind}): export the model with tensors${how}`,
    );
  }
  if (!datatype)
    throw new Error(
      `${given.name} is of ${given.type}, which the Open Inference Protocol does not have: cast it in the model`,
    );
  const described: TensorMetadata = {
    name: given.name,
    datatype,
    shape: given.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)),
  };
  return value?.labels ? { ...described, labels: value.labels } : described;
}

/** Rows that are made ready before others of the thread have their turn; a run of the model is a turn of its own. */
const TURN_MS = 5;

/**
 * Runs rows, as many together as the manifest says, so that a request of many rows needs no more memory than one of few, and
 * whatever else the thread has to do is done between.
 */
export async function runRows(model: Loaded, rows: unknown[], timing: Timing): Promise<RowResult[]> {
  const { maxRows } = model.manifest.batching;
  const results: RowResult[] = [];
  for (let from = 0; from < rows.length; from += maxRows) {
    for (const result of await runSlice(model, rows.slice(from, from + maxRows), timing)) results.push(result);
    if (from + maxRows < rows.length) await nextTurn();
  }
  return results;
}

/** Runs the rows that can be prepared as one batch (or one by one, where the model's batch is closed). */
async function runSlice({ session, runner, signature }: Loaded, rows: unknown[], timing: Timing): Promise<RowResult[]> {
  if (!runner) throw new Error('the model takes tensors, not rows');
  const started = performance.now();
  const results: RowResult[] = new Array(rows.length);
  const prepared: unknown[] = [];
  const places: number[] = [];
  const attempts: Promise<unknown>[] = [];
  let turn = started;
  for (const row of rows) {
    const attempt = (async () => await runner.prepare(row))();
    // Looked at below, with all the others.
    attempt.catch(() => undefined);
    attempts.push(attempt);
    if (performance.now() - turn < TURN_MS) continue;
    await nextTurn();
    turn = performance.now();
  }
  for (const [place, attempt] of (await Promise.allSettled(attempts)).entries()) {
    if (attempt.status === 'fulfilled') {
      prepared.push(attempt.value);
      places.push(place);
    } else if (attempt.reason instanceof InvalidRow) results[place] = { ok: false, reason: attempt.reason.message };
    else throw attempt.reason;
  }
  const groups = signature.batchable ? [prepared] : prepared.map((row) => [row]);
  const values: unknown[] = [];
  let mark = started;
  const lap = (phase: 'preprocess' | 'postprocess') => {
    const now = performance.now();
    timing[phase] += now - mark;
    mark = now;
  };
  for (const group of groups.filter((rowsOfOne) => rowsOfOne.length > 0)) {
    const feeds = runner.feeds(group);
    timing.batches.push(group.length);
    lap('preprocess');
    const outputs = await compute(session, feeds, [], timing);
    mark = performance.now();
    values.push(...runner.results(outputs as Record<string, Tensor>, group.length));
    lap('postprocess');
  }
  for (const [index, place] of places.entries()) results[place] = { ok: true, value: values[index] };
  return results;
}

/** Runs tensors; `outputs` empty: all of them. */
export async function runTensors(
  { session }: Loaded,
  given: Record<string, TensorData>,
  outputs: string[],
  timing: Timing,
): Promise<Record<string, TensorData>> {
  const started = performance.now();
  const feeds: Record<string, Tensor> = {};
  for (const [name, { datatype, shape, data }] of Object.entries(given))
    feeds[name] = new Tensor(datatypes[datatype].onnx as 'float32', toRuntime(data) as Float32Array, shape);
  timing.preprocess += performance.now() - started;
  const ran = await compute(session, feeds, outputs, timing);
  const results: Record<string, TensorData> = {};
  for (const [name, value] of Object.entries(ran)) {
    const tensor = value as Tensor;
    results[name] = { datatype: datatypeOf(tensor.type)!, shape: [...tensor.dims], data: fromRuntime(tensor) };
  }
  return results;
}

/** Runs a session and measures the run alone: it happens in an immediate, so what comes before that is not its time. */
async function compute(
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  outputs: string[],
  timing: Timing,
): Promise<InferenceSession.ReturnType> {
  let began = performance.now();
  setImmediate(() => {
    began = performance.now();
  });
  const ran = await (outputs.length > 0 ? session.run(feeds, outputs) : session.run(feeds));
  timing.compute += performance.now() - began;
  return ran;
}

function toRuntime(data: TensorData['data']): TensorData['data'] {
  return data instanceof Half ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
}

function fromRuntime({ type, data }: Tensor): TensorData['data'] {
  if (type !== 'float16') return data as TensorData['data'];
  const halves = data as unknown as Uint16Array<ArrayBuffer>;
  return new Half(halves.buffer, halves.byteOffset, halves.length);
}
