import { JobFailed, WorkerCrashed } from '../models/pool.ts';
import type { Model } from '../models/repository.ts';
import { Abandoned, DeadlinePassed, Overloaded, type Payload, type Scheduler } from '../models/scheduler.ts';
import type { TensorData } from '../models/tensor.ts';
import { tasks } from '../tasks/index.ts';
import { InvalidRow } from '../tasks/task.ts';
import { badRequest, HttpError } from './http-error.ts';
import { asText } from './tensors.ts';

/** How a request is run: its end, and whether its client is still there. */
export interface Call {
  deadline: number;
  gone(): boolean;
}

/** Rows of one request. */
const ROWS_LIMIT = 10_000;

/** What every protocol shares: from checked inputs to outputs, with each failure as the status a client can act on. */
export class Inference {
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Instances of a task in, one prediction each out. */
  async rows(model: Model, instances: unknown[], call: Call): Promise<unknown[]> {
    const { task } = model.manifest;
    if (task === 'tensor') throw new Error('a tensor model has no rows');
    return await this.#rows(
      model,
      attempt(() =>
        instances.map((instance, index) => labelled(instances.length, index, () => tasks[task].fromInstance(instance))),
      ),
      call,
    );
  }

  /** Named tensors in, named tensors out; `outputs` empty: all of them. */
  async tensors(
    model: Model,
    inputs: Record<string, TensorData>,
    outputs: string[],
    call: Call,
  ): Promise<Record<string, TensorData>> {
    const { task } = model.manifest;
    if (task === 'tensor') return await this.#tensors(model, inputs, outputs, call);
    const decoded = task === 'text-classification' && inputs.text ? { text: asText('text', inputs.text) } : inputs;
    const results = await this.#rows(
      model,
      attempt(() => tasks[task].fromTensors(decoded)),
      call,
    );
    const all = tasks[task].toTensors(results);
    return outputs.length === 0 ? all : Object.fromEntries(outputs.map((name) => [name, all[name]!]));
  }

  async #rows(model: Model, rows: unknown[], call: Call): Promise<unknown[]> {
    if (rows.length === 0) return [];
    if (rows.length > ROWS_LIMIT) throw badRequest(`a request may have ${ROWS_LIMIT} rows, not ${rows.length}`);
    const result = await this.#run(model, { kind: 'rows', rows }, call);
    if (result.kind !== 'rows') throw new Error('rows were asked for');
    return result.results.map((row, index) => {
      if (!row.ok) throw badRequest(rows.length > 1 ? `row ${index}: ${row.reason}` : row.reason);
      return row.value;
    });
  }

  async #tensors(
    model: Model,
    feeds: Record<string, TensorData>,
    outputs: string[],
    call: Call,
  ): Promise<Record<string, TensorData>> {
    const given = Object.entries(feeds).map(
      ([name, tensor]) => [name, tensor.datatype === 'BYTES' ? asText(name, tensor) : tensor] as const,
    );
    const rows = given[0]?.[1].shape[0] ?? 1;
    // Only where all agree on the rows can the request join others.
    const together = model.batchable && rows > 0 && given.every(([, { shape }]) => shape[0] === rows);
    const payload: Payload = {
      kind: 'tensors',
      feeds: Object.fromEntries(given),
      outputs,
      rows: Math.max(1, rows),
      alone: !together,
    };
    const result = await this.#run(model, payload, call);
    if (result.kind !== 'tensors') throw new Error('tensors were asked for');
    return result.outputs;
  }

  async #run(model: Model, payload: Payload, { deadline, gone }: Call) {
    model.inFlight += 1;
    try {
      return await within(deadline, this.#scheduler.run(model, payload, deadline, gone));
    } catch (error) {
      if (error instanceof Overloaded)
        throw new HttpError(503, `${model.name} is busy: ${error.message}`, { 'retry-after': '1' });
      if (error instanceof WorkerCrashed)
        throw new HttpError(503, 'the worker crashed; send it again', { 'retry-after': '1' });
      if (error instanceof DeadlinePassed) throw new HttpError(503, error.message, { 'retry-after': '1' });
      if (error instanceof Abandoned) throw new HttpError(499, error.message);
      if (error instanceof JobFailed) throw badRequest(`the model refused the input: ${error.message}`);
      throw error;
    } finally {
      model.inFlight -= 1;
    }
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InvalidRow) throw badRequest(error.message);
    throw error;
  }
}

function labelled<T>(count: number, index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InvalidRow && count > 1) throw new InvalidRow(`instance ${index}: ${error.message}`);
    throw error;
  }
}

/** A request that a worker has at hand can't be taken back, but its client need not wait for it. */
async function within<T>(deadline: number, work: Promise<T>): Promise<T> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => limit.reject(new DeadlinePassed('the request took too long')),
    Math.max(0, deadline - Date.now()),
  );
  try {
    return await Promise.race([work, limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}
