import { Worker } from 'node:worker_threads';
import type { Request, Response, RowResult } from './worker.ts';

type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;

/** A full queue: answer 503 with Retry-After. */
export class Overloaded extends Error {}

const BATCH_ROWS = 32;
const QUEUE_ROWS = 1_024;

interface Waiting {
  rows: unknown[];
  resolve(results: RowResult[]): void;
  reject(error: Error): void;
}

/**
 * Batches what is in flight: while the worker runs one batch, the next one gathers, so batching costs no waiting.
 */
export class Batcher {
  readonly #worker: Worker;
  readonly #calls = new Map<number, { resolve(results: RowResult[]): void; reject(error: Error): void }>();
  readonly #queues = new Map<string, Waiting[]>();
  #next = 1;
  #running = false;
  #rows = 0;

  constructor(workerFile: URL) {
    this.#worker = new Worker(workerFile);
    this.#worker.on('message', (response: Response) => {
      const call = this.#calls.get(response.id);
      this.#calls.delete(response.id);
      if (response.ok) call?.resolve(response.results);
      else call?.reject(new Error(response.error));
    });
    this.#worker.on('error', (error) => {
      for (const call of this.#calls.values()) call.reject(error);
      this.#calls.clear();
    });
  }

  async load(model: string, folder: string): Promise<void> {
    await this.#call({ kind: 'load', model, folder });
  }

  /** Results of the rows, in order. Throws {@link Overloaded} when too many rows wait. */
  run(model: string, rows: unknown[]): Promise<RowResult[]> {
    if (this.#rows + rows.length > QUEUE_ROWS) return Promise.reject(new Overloaded());
    this.#rows += rows.length;
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(model) ?? [];
      this.#queues.set(model, queue);
      queue.push({ rows, resolve, reject });
      this.#flush();
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #flush(): void {
    if (this.#running) return;
    for (const [model, queue] of this.#queues) {
      if (queue.length === 0) continue;
      const batch: Waiting[] = [queue.shift()!];
      let size = batch[0]!.rows.length;
      while (queue.length > 0 && size + queue[0]!.rows.length <= BATCH_ROWS) {
        const next = queue.shift()!;
        batch.push(next);
        size += next.rows.length;
      }
      // The model that was served goes to the end, so that none starves another.
      this.#queues.delete(model);
      this.#queues.set(model, queue);
      void this.#runBatch(model, batch, size);
      return;
    }
  }

  async #runBatch(model: string, batch: Waiting[], size: number): Promise<void> {
    this.#running = true;
    try {
      const results = await this.#call({ kind: 'run', model, rows: batch.flatMap((waiting) => waiting.rows) });
      let at = 0;
      for (const waiting of batch) {
        waiting.resolve(results.slice(at, at + waiting.rows.length));
        at += waiting.rows.length;
      }
    } catch (error) {
      for (const waiting of batch) waiting.reject(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#rows -= size;
      this.#running = false;
      this.#flush();
    }
  }

  #call(request: Without<Request, 'id'>): Promise<RowResult[]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id });
    });
  }
}
