import type { Metrics } from '../metrics.ts';
import { JobFailed, type Pool, type Work } from './pool.ts';
import { allocate, elements, type NumberArray, type TensorData } from './tensor.ts';
import type { RowResult, Timing } from './worker.ts';

/** Too many rows wait for this model: try again in a moment. */
export class Overloaded extends Error {}
/** The request's time was over before it ran. */
export class DeadlinePassed extends Error {}
/** The client is gone; nobody waits for the answer. */
export class Abandoned extends Error {}

/** A model as the scheduler needs it. */
export interface Target {
  /** `<name>/<version>`: how the workers know it. */
  key: string;
  name: string;
  version: string;
  maxRows: number;
  maxDelayMs: number;
  /** Turned off when a batch shows that outputs do not follow the first dimension. */
  batchable: boolean;
}

export type Payload =
  | { kind: 'rows'; rows: unknown[] }
  /** `alone`: its inputs do not agree on the rows, so it can't be joined with others. */
  | { kind: 'tensors'; feeds: Record<string, TensorData>; outputs: string[]; rows: number; alone: boolean };

export type Result = { kind: 'rows'; results: RowResult[] } | { kind: 'tensors'; outputs: Record<string, TensorData> };

interface Waiting {
  payload: Payload;
  rows: number;
  /** Only requests of one shape can be joined: everything but the first dimension, and the outputs. */
  shape: string;
  deadline: number;
  since: number;
  gone(): boolean;
  resolve(result: Result): void;
  reject(error: Error): void;
}

interface Queue {
  target: Target;
  waiting: Waiting[];
  rows: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Joins what is in flight into batches along the first dimension: what was read in one turn of the event loop and what
 * gathered while the workers were busy runs together, so batching costs no waiting (`maxDelayMs` may ask for some).
 * Models take turns. A batch that fails is run again request by request, so that only the bad one fails.
 */
export class Scheduler {
  readonly #queues = new Map<string, Queue>();
  readonly #queueRows: number;
  readonly #metrics: Metrics;
  #pool!: Pool;
  #scheduled = false;

  constructor(queueRows: number, metrics: Metrics) {
    this.#queueRows = queueRows;
    this.#metrics = metrics;
  }

  attach(pool: Pool): void {
    this.#pool = pool;
  }

  /** Looks for batches to run, once in this turn of the event loop. */
  readonly wake = (): void => {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  };

  /** Throws {@link Overloaded}, {@link DeadlinePassed}, {@link Abandoned}, WorkerCrashed or JobFailed. */
  run(target: Target, payload: Payload, deadline: number, gone: () => boolean): Promise<Result> {
    const queue = this.#queueOf(target);
    const rows = payload.kind === 'rows' ? payload.rows.length : payload.rows;
    if (queue.rows + rows > this.#queueRows) this.#dropDead(queue);
    if (queue.rows > 0 && queue.rows + rows > this.#queueRows)
      return Promise.reject(new Overloaded(`${queue.rows} rows wait`));
    return new Promise((resolve, reject) => {
      queue.waiting.push({
        payload,
        rows,
        shape: shapeOf(payload),
        deadline,
        since: performance.now(),
        gone,
        resolve,
        reject,
      });
      queue.rows += rows;
      this.#metrics.queueRows.set({ model: target.name, version: target.version }, queue.rows);
      this.wake();
    });
  }

  forget(key: string): void {
    this.#queues.delete(key);
  }

  #queueOf(target: Target): Queue {
    const known = this.#queues.get(target.key);
    if (known) return known;
    const queue: Queue = { target, waiting: [], rows: 0, timer: undefined };
    this.#queues.set(target.key, queue);
    return queue;
  }

  #flush(): void {
    for (let progress = true; progress && this.#pool.free; ) {
      progress = false;
      for (const [key, queue] of [...this.#queues]) {
        if (!this.#pool.free) break;
        const batch = this.#take(queue);
        if (batch.length === 0) continue;
        progress = true;
        // The one that was served goes to the end, so that none starves another.
        if (this.#queues.delete(key)) this.#queues.set(key, queue);
        void this.#runBatch(queue.target, batch);
      }
    }
  }

  /** The next batch of a queue; empty when there is nothing, or it pays to wait a moment longer. */
  #take(queue: Queue): Waiting[] {
    const { target } = queue;
    this.#dropDead(queue);
    const { waiting } = queue;
    const first = waiting[0];
    if (!first) return [];
    const age = performance.now() - first.since;
    if (target.batchable && queue.rows < target.maxRows && age < target.maxDelayMs) {
      queue.timer ??= setTimeout(() => {
        queue.timer = undefined;
        this.wake();
      }, target.maxDelayMs - age);
      return [];
    }
    const batch: Waiting[] = [];
    let rows = 0;
    while (
      waiting[0] &&
      (batch.length === 0 ||
        (target.batchable && waiting[0].shape === first.shape && rows + waiting[0].rows <= target.maxRows))
    ) {
      const next = waiting.shift()!;
      rows += next.rows;
      batch.push(next);
    }
    queue.rows -= rows;
    this.#metrics.queueRows.set({ model: target.name, version: target.version }, queue.rows);
    return batch;
  }

  /** Requests that nobody waits for, or that are too late, leave without having run. */
  #dropDead(queue: Queue): void {
    const now = Date.now();
    queue.waiting = queue.waiting.filter((waiting) => {
      const gone = waiting.gone();
      if (!gone && waiting.deadline > now) return true;
      queue.rows -= waiting.rows;
      waiting.reject(gone ? new Abandoned('the client is gone') : new DeadlinePassed('the request waited too long'));
      return false;
    });
  }

  async #runBatch(target: Target, batch: Waiting[]): Promise<void> {
    const labels = { model: target.name, version: target.version };
    const started = performance.now();
    for (const { since } of batch)
      this.#metrics.phase.observe({ ...labels, phase: 'queue' }, (started - since) / 1_000);
    const rows = batch.reduce((sum, waiting) => sum + waiting.rows, 0);
    this.#metrics.batchRows.observe(labels, rows);
    try {
      const { results, timing } = await this.#execute(target, batch, rows);
      for (const phase of ['preprocess', 'compute', 'postprocess'] as const)
        this.#metrics.phase.observe({ ...labels, phase }, timing[phase] / 1_000);
      for (const [index, waiting] of batch.entries()) waiting.resolve(results[index]!);
    } catch (error) {
      if (error instanceof JobFailed && batch.length > 1) {
        await Promise.all(batch.map((waiting) => this.#runBatch(target, [waiting])));
        return;
      }
      for (const waiting of batch) waiting.reject(error as Error);
    }
  }

  async #execute(target: Target, batch: Waiting[], rows: number): Promise<{ results: Result[]; timing: Timing }> {
    const { work, transfer } = join(target.key, batch, rows);
    const ran = await this.#pool.run(work, transfer);
    if (ran.kind === 'rows') {
      let at = 0;
      const results = batch.map((waiting): Result => {
        at += waiting.rows;
        return { kind: 'rows', results: ran.results.slice(at - waiting.rows, at) };
      });
      return { results, timing: ran.timing };
    }
    if (ran.kind !== 'tensors') throw new Error(`unexpected ${ran.kind}`);
    if (batch.length === 1) return { results: [{ kind: 'tensors', outputs: ran.outputs }], timing: ran.timing };
    if (Object.values(ran.outputs).some(({ shape }) => shape[0] !== rows)) {
      target.batchable = false;
      throw new JobFailed('an output does not follow the first dimension');
    }
    let at = 0;
    const results = batch.map((waiting): Result => {
      at += waiting.rows;
      return { kind: 'tensors', outputs: slice(ran.outputs, at - waiting.rows, at) };
    });
    return { results, timing: ran.timing };
  }
}

let alone = 0;

function shapeOf(payload: Payload): string {
  if (payload.kind === 'rows') return 'rows';
  if (payload.alone) return `alone ${alone++}`;
  const inputs = Object.entries(payload.feeds).map(([name, { shape }]) => `${name}:${shape.slice(1).join('x')}`);
  return `${inputs.sort().join()}>${payload.outputs.join()}`;
}

/** One job of several requests: rows one after the other, or each input joined along its first dimension. */
function join(model: string, batch: Waiting[], rows: number): { work: Work; transfer: ArrayBuffer[] } {
  const first = batch[0]!.payload;
  if (first.kind === 'rows')
    return {
      work: { kind: 'rows', model, rows: batch.flatMap(({ payload }) => payload.rows as unknown[]) },
      transfer: [],
    };
  if (batch.length === 1)
    return { work: { kind: 'tensors', model, feeds: first.feeds, outputs: first.outputs }, transfer: [] };
  const feeds: Record<string, TensorData> = {};
  const transfer: ArrayBuffer[] = [];
  for (const [name, { datatype, shape }] of Object.entries(first.feeds)) {
    const joined = [rows, ...shape.slice(1)];
    const data = allocate(datatype, elements(joined));
    let at = 0;
    for (const { payload } of batch) {
      const part = (payload as Extract<Payload, { kind: 'tensors' }>).feeds[name]!.data;
      if (Array.isArray(data)) for (const [offset, value] of (part as string[]).entries()) data[at + offset] = value;
      else (data as Float32Array).set(part as Float32Array, at);
      at += part.length;
    }
    if (!Array.isArray(data)) transfer.push(data.buffer as ArrayBuffer);
    feeds[name] = { datatype, shape: joined, data };
  }
  return { work: { kind: 'tensors', model, feeds, outputs: first.outputs }, transfer };
}

function slice(outputs: Record<string, TensorData>, from: number, to: number): Record<string, TensorData> {
  const parts: Record<string, TensorData> = {};
  for (const [name, { datatype, shape, data }] of Object.entries(outputs)) {
    const row = elements(shape.slice(1));
    const part = Array.isArray(data)
      ? data.slice(from * row, to * row)
      : (data as NumberArray).subarray(from * row, to * row);
    parts[name] = { datatype, shape: [to - from, ...shape.slice(1)], data: part as TensorData['data'] };
  }
  return parts;
}
