import { collectSoon } from '../garbage.ts';
import type { Metrics } from '../metrics.ts';
import type { Answer } from '../protocol/answer.ts';
import { type Answered, jsonBytes, type Request } from '../protocol/requests.ts';
import type { Inline } from './inline.ts';
import { SIZES, type Size, SMALL_BYTES, sizeOf } from './size.ts';

/** Too much waits for this model: try again in a moment. */
export class Overloaded extends Error {}
/** The request's time was over before its answer was there. */
export class DeadlinePassed extends Error {}
/** The client is gone; nobody waits for the answer. */
export class Abandoned extends Error {}

/** Where jobs run that are not quick: the pool of workers. */
export interface Lane {
  /** Whether a job of this size would be taken now. */
  takes(size: Size): boolean;
  /** Has nothing to do. */
  readonly idle: boolean;
  answer(model: string, requests: Request[]): Promise<Answered>;
}

/** A version of a model. */
export interface Named {
  /** `<name>/<version>`: how the workers know it. */
  key: string;
  name: string;
  version: string;
}

/** A model as the scheduler needs it. */
export interface Target extends Named {
  maxRows: number;
  maxDelayMs: number;
  /** Turned off when a batch shows that outputs do not follow the first dimension. */
  batchable: boolean;
}

/** How long requests gather for an idle worker while more are being read. */
const HANDFUL_MS = 0.2;
/** Bytes of the small bodies that go to a worker together; any other goes alone. */
const JOB_BYTES = 4 * SMALL_BYTES;

const NOTHING = { count: 0, bytes: 0, inline: false };

/** Who waits for an answer. */
export interface Client {
  gone(): boolean;
}

interface Waiting {
  request: Request;
  since: number;
  client: Client;
  resolve(answer: Answer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout | undefined;
}

/** What waits for one model, of one size: small requests do not stand behind others. */
interface Queue {
  target: Target;
  size: Size;
  waiting: Waiting[];
  /** Requests that were handed out, to a worker or inline. */
  running: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Hands what is in flight to the workers, or to the inline lane, together: what was read in one turn of the event loop and what gathered while the
 * workers were busy goes at once and is run in batches there, so batching costs no waiting (`maxDelayMs` may ask for some).
 * Models take turns.
 */
export class Scheduler {
  readonly #queues = new Map<string, Queue>();
  readonly #limits: { requests: number; bytes: number };
  readonly #metrics: Metrics;
  #pool!: Lane;
  readonly #inline: Inline;
  #inlineBusy = false;
  #scheduled = false;
  /** Bytes of all bodies that wait. */
  #bytes = 0;

  /** `limits`: requests that may wait for one model, and bytes of their bodies for all. */
  constructor(limits: { requests: number; bytes: number }, inline: Inline, metrics: Metrics) {
    this.#limits = limits;
    this.#inline = inline;
    this.#metrics = metrics;
    metrics.onCollect(() => {
      const counted = new Map<string, { target: Target; waiting: number; running: number }>();
      for (const { target, waiting, running } of this.#queues.values()) {
        const known = counted.get(target.key) ?? { target, waiting: 0, running: 0 };
        counted.set(target.key, known);
        known.waiting += waiting.length;
        known.running += running;
      }
      for (const { target, waiting, running } of counted.values()) metrics.inFlight(target, waiting, running);
    });
  }

  attach(pool: Lane): void {
    this.#pool = pool;
  }

  /** Looks for work to hand out, once in this turn of the event loop. */
  readonly wake = (): void => {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  };

  /** Throws {@link Overloaded}, {@link DeadlinePassed}, {@link Abandoned}, WorkerCrashed or JobFailed. */
  run(target: Target, request: Request, client: Client): Promise<Answer> {
    const queue = this.#queueOf(target, sizeOf(request.body));
    if (this.#full(queue)) this.#dropDead(queue);
    // Bytes are of all models together, and so are those that nobody waits for any more.
    if (this.#heavy(request)) for (const other of this.#queues.values()) this.#dropDead(other);
    if (this.#full(queue)) return Promise.reject(new Overloaded(`${this.#waiting(target)} requests wait`));
    if (this.#heavy(request)) return Promise.reject(new Overloaded(`bodies of ${this.#bytes} bytes wait`));
    return new Promise((resolve, reject) => {
      queue.waiting.push({ request, since: performance.now(), client, resolve, reject, timer: undefined });
      this.#bytes += request.body.length;
      // A turn that reads many sockets is long: an idle worker starts with what there is, and the turn goes on beside it.
      const beside = this.#pool.idle && request.body.length > this.#inline.limit(target.key);
      if (beside && performance.now() - queue.waiting[0]!.since > HANDFUL_MS) this.#flush();
      else this.wake();
    });
  }

  /** The model is gone. Requests whose time was over may still stand in its queue: their bytes leave with it. */
  forget(key: string): void {
    for (const [place, queue] of this.#queues) {
      if (queue.target.key !== key) continue;
      clearTimeout(queue.timer);
      for (const { request, timer } of queue.waiting) {
        this.#bytes -= request.body.length;
        clearTimeout(timer);
      }
      this.#queues.delete(place);
    }
  }

  #queueOf(target: Target, size: Size): Queue {
    const place = placeOf(target.key, size);
    const known = this.#queues.get(place);
    if (known) return known;
    const queue: Queue = { target, size, waiting: [], running: 0, timer: undefined };
    this.#queues.set(place, queue);
    return queue;
  }

  /** Of all sizes together. */
  #full({ target }: Queue): boolean {
    return this.#waiting(target) >= this.#limits.requests;
  }

  #waiting({ key }: Target): number {
    let sum = 0;
    for (const size of SIZES) sum += this.#queues.get(placeOf(key, size))?.waiting.length ?? 0;
    return sum;
  }

  /** One body that is larger than the limit by itself is let in when no other waits. */
  #heavy({ body }: Request): boolean {
    return this.#bytes > 0 && this.#bytes + body.length > this.#limits.bytes;
  }

  #flush(): void {
    for (let progress = true; progress; ) {
      progress = false;
      for (const [key, queue] of [...this.#queues]) {
        const { count, bytes, inline } = this.#next(queue);
        if (!inline) alarm(queue.waiting);
        if (count === 0) continue;
        if (inline ? this.#inlineBusy : !this.#pool.takes(queue.size)) continue;
        this.#bytes -= bytes;
        progress = true;
        // The one that was served goes to the end, so that none starves another.
        if (this.#queues.delete(key)) this.#queues.set(key, queue);
        void this.#hand(queue, queue.waiting.splice(0, count), bytes, inline);
      }
    }
  }

  /** What a queue hands out next, and to whom; nothing when there is nothing, or it pays to wait a moment longer. */
  #next(queue: Queue): { count: number; bytes: number; inline: boolean } {
    const { target, waiting } = queue;
    this.#dropDead(queue);
    const first = waiting[0];
    if (!first) return NOTHING;
    const age = performance.now() - first.since;
    if (target.batchable && waiting.length < target.maxRows && age < target.maxDelayMs) {
      queue.timer ??= setTimeout(() => {
        queue.timer = undefined;
        this.wake();
      }, target.maxDelayMs - age);
      return NOTHING;
    }
    const most = target.batchable && queue.size === 'small' ? target.maxRows : 1;
    const quick = this.#inline.limit(target.key);
    // What is quick in bytes of tensors may be slow in text.
    const inline = first.request.body.length <= quick && jsonBytes(first.request) <= SMALL_BYTES;
    const limit = inline ? quick : JOB_BYTES;
    let count = 0;
    let bytes = 0;
    for (const { request } of waiting) {
      const { length } = request.body;
      if (count === most || (count > 0 && bytes + length > limit)) break;
      bytes += length;
      count += 1;
    }
    return { count, bytes, inline };
  }

  /** Requests that nobody waits for, or that are too late, leave without having run. */
  #dropDead({ waiting }: Queue): void {
    const now = Date.now();
    let kept = 0;
    for (const one of waiting) {
      const gone = one.client.gone();
      if (!gone && one.request.deadline > now) {
        waiting[kept++] = one;
        continue;
      }
      this.#bytes -= one.request.body.length;
      clearTimeout(one.timer);
      one.reject(gone ? new Abandoned('the client is gone') : new DeadlinePassed('the request waited too long'));
    }
    waiting.length = kept;
  }

  async #hand(queue: Queue, together: Waiting[], bytes: number, inline: boolean): Promise<void> {
    const { target } = queue;
    const started = performance.now();
    queue.running += together.length;
    if (inline) this.#inlineBusy = true;
    try {
      const lane = inline ? this.#inline : this.#pool;
      const { answers, timing, joinable } = await lane.answer(
        target.key,
        together.map(({ request }) => request),
      );
      if (!joinable) target.batchable = false;
      const ms = timing.preprocess + timing.compute + timing.postprocess;
      // One that was refused may not have been read: its time says nothing of its bytes.
      const whole = answers.every(({ status = 200 }) => status === 200);
      this.#inline.learn(target.key, bytes, ms, whole);
      this.#metrics.ran(
        target,
        together.map(({ since }) => started - since),
        timing,
      );
      for (let index = 0; index < together.length; index += 1) together[index]!.resolve(answers[index]!);
    } catch (error) {
      for (const one of together) one.reject(error as Error);
    } finally {
      for (const { timer } of together) clearTimeout(timer);
      queue.running -= together.length;
      if (queue.size !== 'small') collectSoon();
      if (inline) {
        this.#inlineBusy = false;
        this.wake();
      }
    }
  }
}

function placeOf(key: string, size: Size): string {
  return size === 'small' ? key : `${key} ${size}`;
}

/** Ends the waiting of requests in time. What a worker has at hand can't be taken back, but its client need not wait for it. */
function alarm(waiting: Waiting[]): void {
  for (const one of waiting)
    one.timer ??= setTimeout(
      () => one.reject(new DeadlinePassed('the request took too long')),
      Math.max(0, one.request.deadline - Date.now()),
    );
}
