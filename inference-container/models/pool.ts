import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Answered, Request } from '../protocol/requests.ts';
import type { Manifest } from './manifest.ts';
import type { Signature } from './session.ts';
import type { Job, JobResult, Reply } from './worker.ts';

type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;

/** The worker died with this job: it may be sent again. */
export class WorkerCrashed extends Error {}
/** ONNX Runtime refused the model, or the worker could not do the job. */
export class JobFailed extends Error {}

/** Jobs that one worker may have: one that runs, and one at hand so that it need not wait for the next. */
const DEPTH = 2;
/** Of V8, for what is soon garbage: the default keeps 48 MB a thread that bring no speed here. */
const YOUNG_MB = 12;
/** A worker that lived shorter than this is replaced only after it. */
const SHORT_MS = 1_000;

interface Call {
  resolve(result: JobResult): void;
  reject(error: Error): void;
}

interface Slot {
  worker: Worker;
  calls: Map<number, Call>;
  /** Jobs under way. */
  load: number;
  ready: boolean;
  ended: boolean;
  /** When it was started. */
  since: number;
}

interface Load {
  folder: string;
  manifest: Manifest;
}

/**
 * Worker threads that each hold every model; weights are mapped from files, so they share one copy. A worker that
 * crashes is replaced, with every model loaded before it takes work.
 */
export class Pool {
  readonly #script: URL;
  readonly #slots: Slot[];
  readonly #models = new Map<string, Load>();
  readonly #onIdle: () => void;
  readonly #onCrash: (error: Error) => void;
  #next = 1;
  #closed = false;

  constructor(script: URL, size: number, onIdle: () => void, onCrash: (error: Error) => void) {
    this.#script = script;
    this.#onIdle = onIdle;
    this.#onCrash = onCrash;
    this.#slots = Array.from({ length: size }, () => this.#spawn(true));
  }

  /** Whether any worker can take a job now. */
  get free(): boolean {
    return this.#slots.some((slot) => slot.ready && slot.load < DEPTH);
  }

  /** Whether any worker has nothing to do. */
  get idle(): boolean {
    return this.#slots.some((slot) => slot.ready && slot.load === 0);
  }

  /** Loads a model in every worker. Throws {@link JobFailed} with the reason. */
  async load(model: string, folder: string, manifest: Manifest): Promise<Signature> {
    // A worker that is about to end must not be opening a model: that ends the process by a fault.
    if (this.#closed) throw new WorkerCrashed('the server is stopping');
    const results = await Promise.allSettled(
      this.#slots.map((slot) => this.#call(slot, { kind: 'load', model, folder, manifest })),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) {
      await this.unload(model);
      throw failed.reason;
    }
    this.#models.set(model, { folder, manifest });
    const [first] = results as PromiseFulfilledResult<Extract<JobResult, { kind: 'signature' }>>[];
    return first!.value.signature;
  }

  async unload(model: string): Promise<void> {
    this.#models.delete(model);
    await Promise.allSettled(this.#slots.map((slot) => this.#call(slot, { kind: 'unload', model })));
  }

  /** Has requests to one model answered by the worker with the least to do. Throws {@link WorkerCrashed}, {@link JobFailed}. */
  async answer(model: string, requests: Request[]): Promise<Answered> {
    const slot = this.#slots
      .filter(({ ready }) => ready)
      .reduce<Slot | null>((best, other) => (best && best.load <= other.load ? best : other), null);
    if (!slot) throw new WorkerCrashed('no worker is ready');
    slot.load += 1;
    try {
      const owned = own(requests);
      const job = { kind: 'answer', model, requests: owned.requests } as const;
      return (await this.#call(slot, job, [owned.memory])) as Extract<JobResult, { kind: 'answers' }>;
    } finally {
      slot.load -= 1;
      this.#onIdle();
    }
  }

  /** Ends the workers, each after what it has at hand. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(
      this.#slots.map(async (slot) => {
        await this.#call(slot, { kind: 'close' }).catch(() => undefined);
        await slot.worker.terminate();
      }),
    );
  }

  #spawn(ready: boolean): Slot {
    const worker = new Worker(this.#script, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } });
    const slot: Slot = { worker, calls: new Map(), load: 0, ready, ended: false, since: performance.now() };
    worker.on('message', (reply: Reply) => {
      const call = slot.calls.get(reply.id);
      slot.calls.delete(reply.id);
      if ('result' in reply) call?.resolve(reply.result);
      else call?.reject(new JobFailed(reply.error));
    });
    worker.on('error', (error) => this.#onCrash(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', () => {
      slot.ended = true;
      slot.ready = false;
      for (const call of slot.calls.values()) call.reject(new WorkerCrashed('the worker ended'));
      slot.calls.clear();
      if (!this.#closed) void this.#replace(slot);
    });
    return slot;
  }

  async #replace(dead: Slot): Promise<void> {
    // One that can't live ends again at once: it must not take the machine from the others.
    if (performance.now() - dead.since < SHORT_MS) await sleep(SHORT_MS);
    if (this.#closed) return;
    const slot = this.#spawn(false);
    this.#slots[this.#slots.indexOf(dead)] = slot;
    for (const [model, { folder, manifest }] of this.#models)
      await this.#call(slot, { kind: 'load', model, folder, manifest }).catch((error) => this.#onCrash(error));
    slot.ready = true;
    this.#onIdle();
  }

  #call(slot: Slot, job: Without<Job, 'id'>, transfer: ArrayBuffer[] = []): Promise<JobResult> {
    if (slot.ended) return Promise.reject(new WorkerCrashed('the worker ended'));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      slot.calls.set(id, { resolve, reject });
      slot.worker.postMessage({ ...job, id }, transfer);
    });
  }
}

/** The requests with their bodies in one piece of memory that can be handed over: a body read from a socket shares its own with others. */
function own(requests: Request[]): { requests: Request[]; memory: ArrayBuffer } {
  const memory = new ArrayBuffer(requests.reduce((sum, { body }) => sum + body.length, 0));
  let at = 0;
  const copies = requests.map((request) => {
    const body = new Uint8Array(memory, at, request.body.length);
    body.set(request.body);
    at += body.length;
    return { ...request, body };
  });
  return { requests: copies, memory };
}
