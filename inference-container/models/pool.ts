import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Answered, Request } from '../protocol/requests.ts';
import type { Package } from './package.ts';
import type { Signature } from './session.ts';
import { LONG_BYTES, type Size, sizeOf } from './size.ts';
import type { Job, JobResult, Reply, WorkerData } from './worker.ts';

type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;

/** The worker died with this job: it may be sent again. */
export class WorkerCrashed extends Error {}
/** ONNX Runtime refused the model, or the worker could not do the job. */
export class JobFailed extends Error {}

/** Jobs that one worker may have: one that runs, and one at hand so that it need not wait for the next. */
const DEPTH = 2;
/** How long a worker for large bodies stays when there is nothing more for it: its memory goes with it. */
const LARGE_IDLE_MS = 10_000;
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
  /** Jobs under way, and those of them that are long. */
  load: number;
  long: number;
  ready: boolean;
  ended: boolean;
  /** When it was started. */
  since: number;
  /** What one for large bodies has loaded. */
  models: Set<string>;
  /** Ends it, where it does not stay. */
  timer: NodeJS.Timeout | undefined;
}

/**
 * Worker threads that each hold every model; weights are mapped from files, so they share one copy. A worker that
 * crashes is replaced, with every model loaded before it takes work.
 */
export class Pool {
  readonly #script: URL;
  readonly #slots: Slot[];
  /** Those for large bodies, which come and go. */
  readonly #large: Slot[] = [];
  readonly #mostLarge: number;
  readonly #requestMegabytes: number;
  readonly #models = new Map<string, Package>();
  readonly #onIdle: () => void;
  /** A worker could not open a model that others have. */
  readonly #onLost: (model: string, reason: string) => void;
  readonly #onCrash: (error: Error) => void;
  /** When the next worker for large bodies may be started. */
  #largeAfter = 0;
  #next = 1;
  #closed = false;

  constructor(
    script: URL,
    size: number,
    requestMegabytes: number,
    onIdle: () => void,
    onLost: (model: string, reason: string) => void,
    onCrash: (error: Error) => void,
  ) {
    this.#script = script;
    this.#requestMegabytes = requestMegabytes;
    this.#mostLarge = Math.ceil(size / 2);
    this.#onIdle = onIdle;
    this.#onLost = onLost;
    this.#onCrash = onCrash;
    this.#slots = Array.from({ length: size }, () => this.#spawn(true, false, (slot) => void this.#replace(slot)));
  }

  /** Whether a worker can take a job of this size now. For a large one, a worker may be started. */
  takes(size: Size): boolean {
    if (size !== 'large') return this.#slots.some((slot) => slot.ready && hasRoom(slot, size));
    if (this.#large.some((slot) => slot.ready && slot.load === 0)) return true;
    return this.#large.length < this.#mostLarge && this.#startLarge();
  }

  /** Whether any worker has nothing to do. */
  get idle(): boolean {
    return this.#slots.some((slot) => slot.ready && slot.load === 0);
  }

  /** Loads a model in every worker, each from the same files. Throws {@link JobFailed} with the reason. */
  async load(model: string, from: Package): Promise<Signature> {
    // A worker that is about to end must not be opening a model: that ends the process by a fault.
    if (this.#closed) throw new WorkerCrashed('the server is stopping');
    const results = await Promise.allSettled(
      this.#slots.map(async (slot) => {
        const result = await this.#call(slot, { kind: 'load', model, package: from });
        return (result as Extract<JobResult, { kind: 'signature' }>).signature;
      }),
    );
    const opened = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const [signature] = opened;
    const failed = results.find((result) => result.status === 'rejected');
    const changed = opened.some(({ stamp }) => stamp !== signature?.stamp);
    if (failed || changed || !signature) {
      await this.unload(model);
      throw failed?.reason ?? new JobFailed('its files changed while it was opened');
    }
    // What is learned of it later, its checksums, is known here too.
    from.stamp = signature.stamp;
    this.#models.set(model, from);
    return signature;
  }

  async unload(model: string): Promise<void> {
    this.#models.delete(model);
    // Those for large bodies may be at work for long: they are told, and not waited for.
    for (const slot of this.#large)
      if (slot.models.delete(model)) void this.#call(slot, { kind: 'unload', model }).catch(() => undefined);
    await Promise.allSettled(this.#slots.map((slot) => this.#call(slot, { kind: 'unload', model })));
  }

  /** Has requests to one model answered by the worker with the least to do. Throws {@link WorkerCrashed}, {@link JobFailed}. */
  async answer(model: string, requests: Request[]): Promise<Answered> {
    // Jobs that are not small are of one request.
    const size = sizeOf(requests[0]!.body);
    const slot = (size === 'large' ? this.#large : this.#slots)
      .filter((known) => known.ready && (size === 'large' || hasRoom(known, size)))
      .reduce<Slot | null>((best, other) => (best && best.load <= other.load ? best : other), null);
    if (!slot) throw new WorkerCrashed('no worker is ready');
    slot.load += 1;
    if (size === 'long') slot.long += 1;
    try {
      if (size === 'large') await this.#lend(slot, model);
      const owned = own(requests);
      const job = { kind: 'answer', model, requests: owned.requests } as const;
      return (await this.#call(slot, job, [owned.memory])) as Extract<JobResult, { kind: 'answers' }>;
    } finally {
      slot.load -= 1;
      if (size === 'long') slot.long -= 1;
      if (size === 'large') this.#rest(slot);
      this.#onIdle();
    }
  }

  /** Ends the workers, each after what it has at hand. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#slots, ...this.#large].map((slot) => this.#end(slot)));
  }

  /** Starts a worker for large bodies, which loads each model when it is first asked for it. False: not now. */
  #startLarge(): boolean {
    if (this.#closed || performance.now() < this.#largeAfter) return false;
    try {
      const slot = this.#spawn(true, true, (ended) => {
        this.#forget(ended);
        // One that can't live must not take the machine from the others.
        if (performance.now() - ended.since > SHORT_MS) return;
        this.#largeAfter = performance.now() + SHORT_MS;
        setTimeout(this.#onIdle, SHORT_MS).unref();
      });
      this.#large.push(slot);
      this.#rest(slot);
      return true;
    } catch (error) {
      this.#largeAfter = performance.now() + SHORT_MS;
      this.#onCrash(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  /** Sees that a worker for large bodies has a model. Throws {@link JobFailed} where it is gone meanwhile. */
  async #lend(slot: Slot, model: string): Promise<void> {
    if (slot.models.has(model)) return;
    const known = this.#models.get(model);
    if (!known) throw new JobFailed(`${model} is not loaded any more`);
    slot.models.add(model);
    await this.#call(slot, { kind: 'load', model, package: known }).catch((error) => {
      slot.models.delete(model);
      if (error instanceof JobFailed) this.#onLost(model, error.message);
      throw error;
    });
  }

  #forget(slot: Slot): void {
    const at = this.#large.indexOf(slot);
    if (at !== -1) this.#large.splice(at, 1);
  }

  /** Ends a worker for large bodies when nothing has come for a while. */
  #rest(slot: Slot): void {
    clearTimeout(slot.timer);
    slot.timer = setTimeout(() => {
      if (slot.load > 0) return;
      this.#forget(slot);
      void this.#end(slot);
    }, LARGE_IDLE_MS).unref();
  }

  /** Ends a worker after what it has at hand. */
  async #end(slot: Slot): Promise<void> {
    slot.ready = false;
    clearTimeout(slot.timer);
    await this.#call(slot, { kind: 'close' }).catch(() => undefined);
    await slot.worker.terminate();
  }

  #spawn(ready: boolean, large: boolean, ended: (slot: Slot) => void): Slot {
    const workerData: WorkerData = { requestMegabytes: this.#requestMegabytes, large };
    const worker = new Worker(this.#script, { workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } });
    const slot: Slot = {
      worker,
      calls: new Map(),
      load: 0,
      long: 0,
      ready,
      ended: false,
      since: performance.now(),
      models: new Set(),
      timer: undefined,
    };
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
      if (!this.#closed) ended(slot);
    });
    return slot;
  }

  async #replace(dead: Slot): Promise<void> {
    // One that can't live ends again at once: it must not take the machine from the others.
    if (performance.now() - dead.since < SHORT_MS) await sleep(SHORT_MS);
    if (this.#closed) return;
    const slot = this.#spawn(false, false, (ended) => void this.#replace(ended));
    this.#slots[this.#slots.indexOf(dead)] = slot;
    for (const [model, known] of this.#models)
      await this.#call(slot, { kind: 'load', model, package: known }).catch((error: Error) => {
        if (error instanceof JobFailed) this.#onLost(model, error.message);
        else this.#onCrash(error);
      });
    slot.ready = !slot.ended;
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

function hasRoom({ load, long }: Slot, size: Size): boolean {
  return size === 'long' ? long === 0 && load < DEPTH : load - long < DEPTH;
}

/** The requests with their bodies in one piece of memory that can be handed over: a body read from a socket shares its own with others. */
function own(requests: Request[]): { requests: Request[]; memory: ArrayBuffer } {
  // A large body has memory of its own already.
  const [{ body: only }] = requests as [Request];
  if (requests.length === 1 && only.length > LONG_BYTES && only.buffer.byteLength === only.length)
    return { requests: [{ ...requests[0]!, body: new Uint8Array(only.buffer) }], memory: only.buffer as ArrayBuffer };
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
