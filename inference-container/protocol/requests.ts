import { type Loaded, runRows, runTensors, type Timing } from '../models/session.ts';
import { allocate, elements, put, rowsOf, type TensorData } from '../models/tensor.ts';
import { type Answer, refused } from './answer.ts';
import type { Exchange, Payload, Result } from './exchange.ts';
import { badRequest, HttpError } from './http-error.ts';
import * as v1 from './v1.ts';
import * as v2 from './v2.ts';

/** A request to one model, as it came. */
export interface Request {
  protocol: 'v1' | 'score' | 'v2';
  body: Uint8Array;
  /** Inference-Header-Content-Length, where it was sent. */
  headerLength: string | undefined;
  /** Milliseconds since 1970; nobody waits for the answer after it. */
  deadline: number;
}

/** How much of a request is text that has to be parsed. */
export function jsonBytes({ body, headerLength }: Pick<Request, 'body' | 'headerLength'>): number {
  return headerLength === undefined ? body.length : Number(headerLength) || body.length;
}

type Rows = Extract<Payload, { kind: 'rows' }>;
type Tensors = Extract<Payload, { kind: 'tensors' }>;

/** One answer a request, in order. `joinable`: false once an output did not follow the first dimension, as the model had said. */
export interface Answered {
  answers: Answer[];
  timing: Timing;
  joinable: boolean;
}

/** A request on its way: its exchange until its answer is there. */
interface Pending {
  exchange: Exchange;
  index: number;
}

/**
 * Answers requests to a model, together where they can run together: each is read and checked by itself, so that a bad one
 * is refused and the others go on.
 */
export async function answerAll(model: Loaded, requests: Request[]): Promise<Answered> {
  const timing: Timing = { preprocess: 0, compute: 0, postprocess: 0, batches: [] };
  const answers: Answer[] = new Array(requests.length);
  const groups = new Map<string, Pending[]>();
  const started = performance.now();
  for (const [index, request] of requests.entries()) {
    try {
      const exchange = read(model, request);
      const key = keyOf(model, exchange.payload, index);
      const group = groups.get(key);
      if (group) group.push({ exchange, index });
      else groups.set(key, [{ exchange, index }]);
    } catch (error) {
      answers[index] = refused(error);
    }
  }
  timing.preprocess += performance.now() - started;
  for (const group of groups.values())
    for (const batch of batches(group, model.manifest.batching.maxRows)) await run(model, batch, answers, timing);
  return { answers, timing, joinable: model.signature.batchable || model.runner !== null };
}

function read(model: Loaded, { protocol, body, headerLength, deadline }: Request): Exchange {
  if (Date.now() >= deadline) throw new HttpError(503, 'the request waited too long', { 'retry-after': '1' });
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (protocol === 'v2') return v2.readInfer(model, { bytes, headerLength });
  return protocol === 'v1' ? v1.readPredict(model, bytes) : v1.readScore(model, bytes);
}

/** Only requests of one key can be joined: the same shape but for the first dimension, and the same outputs. */
function keyOf({ signature }: Loaded, payload: Payload, index: number): string {
  if (payload.kind === 'rows') return 'rows';
  if (!payload.joinable || !signature.batchable) return String(index);
  let key = payload.outputs.join();
  // In the order of the model's inputs, whatever order they came in.
  for (const { name } of signature.inputs) {
    const { shape } = payload.feeds[name]!;
    key += '>';
    for (let dimension = 1; dimension < shape.length; dimension += 1) key += `x${shape[dimension]}`;
  }
  return key;
}

/** Parts of a group of at most so many rows; a request is never divided. */
function batches(group: Pending[], maxRows: number): Pending[][] {
  const found: Pending[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const pending of group) {
    const own = rowCount(pending);
    if (rows + own > maxRows) {
      found.push([]);
      rows = 0;
    }
    found.at(-1)!.push(pending);
    rows += own;
  }
  return found;
}

function rowCount({ exchange: { payload } }: Pending): number {
  return payload.kind === 'rows' ? payload.rows.length : payload.rows;
}

/** Runs a batch and writes its answers. One that fails is run again request by request, so that only the bad one fails. */
async function run(model: Loaded, batch: Pending[], answers: Answer[], timing: Timing): Promise<void> {
  let results: Result[];
  try {
    results =
      batch[0]!.exchange.payload.kind === 'rows'
        ? await runJoinedRows(model, batch, timing)
        : await runJoinedTensors(model, batch, timing);
  } catch (error) {
    if (batch.length > 1) for (const pending of batch) await run(model, [pending], answers, timing);
    else answers[batch[0]!.index] = refused(badRequest(`the model refused the input: ${(error as Error).message}`));
    return;
  }
  const started = performance.now();
  for (const [at, { exchange, index }] of batch.entries()) {
    try {
      answers[index] = exchange.write(results[at]!);
    } catch (error) {
      answers[index] = refused(error);
    }
  }
  timing.postprocess += performance.now() - started;
}

async function runJoinedRows(model: Loaded, batch: Pending[], timing: Timing): Promise<Result[]> {
  const all = batch.flatMap(({ exchange }) => (exchange.payload as Rows).rows);
  const results = all.length > 0 ? await runRows(model, all, timing) : [];
  let at = 0;
  return batch.map((pending) => {
    at += rowCount(pending);
    return { kind: 'rows', rows: results.slice(at - rowCount(pending), at) };
  });
}

async function runJoinedTensors(model: Loaded, batch: Pending[], timing: Timing): Promise<Result[]> {
  const payloads = batch.map(({ exchange }) => exchange.payload as Tensors);
  const [first] = payloads as [Tensors];
  const rows = payloads.reduce((sum, payload) => sum + payload.rows, 0);
  const feeds = join(payloads, rows);
  const outputs = await runTensors(model, feeds, first.outputs, timing);
  timing.batches.push(rows);
  if (payloads.length === 1) return [{ kind: 'tensors', outputs }];
  if (Object.values(outputs).some(({ shape }) => shape[0] !== rows)) {
    model.signature.batchable = false;
    throw new Error('an output does not follow the first dimension');
  }
  let at = 0;
  return payloads.map((payload) => {
    const from = at;
    at += payload.rows;
    const own: Record<string, TensorData> = {};
    for (const name in outputs) own[name] = rowsOf(outputs[name]!, from, from + payload.rows);
    return { kind: 'tensors', outputs: own };
  });
}

/** Each input of the requests, one after the other along the first dimension. */
function join(payloads: Tensors[], rows: number): Record<string, TensorData> {
  const feeds: Record<string, TensorData> = {};
  for (const [name, { datatype, shape, data: first }] of Object.entries(payloads[0]!.feeds)) {
    // Only numbers as JSON gave them are not yet what is run.
    if (payloads.length === 1 && (datatype === 'BYTES' || !Array.isArray(first))) {
      feeds[name] = { datatype, shape, data: first as TensorData['data'] };
      continue;
    }
    const joined = payloads.length === 1 ? shape : [rows, ...shape.slice(1)];
    const data = allocate(datatype, elements(joined));
    let at = 0;
    for (const { feeds: own } of payloads) {
      const part = own[name]!.data;
      put(data, at, part);
      at += part.length;
    }
    feeds[name] = { datatype, shape: joined, data };
  }
  return feeds;
}
