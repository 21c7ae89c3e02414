import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { MetricsJson } from '../metrics.ts';
import type { Inline } from '../models/inline.ts';
import type { Package } from '../models/package.ts';
import type { Model, Repository } from '../models/repository.ts';
import type { Named, Target } from '../models/scheduler.ts';
import { type Answer, refused } from '../protocol/answer.ts';
import type { Head } from '../protocol/header.ts';
import { tooLarge } from '../protocol/http-error.ts';
import type { Call } from '../protocol/inference.ts';
import type { Settings } from '../settings.ts';

/** Leave to run a model in a front's own thread, until it is revoked. */
export interface Lease {
  name: string;
  /** The version that was asked for; undefined: the one that serves by default. */
  asked: string | undefined;
  target: Target;
  package: Package;
  /** Bytes of a job that is quick. */
  limit: number;
}

export type FromFront =
  | { kind: 'request'; id: number; head: Head; body: Uint8Array; deadline: number }
  | { kind: 'gone'; id: number }
  | { kind: 'metrics'; id: number; metrics: MetricsJson }
  | { kind: 'done'; id: number }
  | { kind: 'stopped'; id: number; clean: boolean };

export type ToFront =
  | { kind: 'answer'; id: number; answer: Answer; model: Named | undefined; lease: Lease | null }
  | { kind: 'revoke'; id: number; name: string }
  | { kind: 'metrics' | 'refuse' | 'stop'; id: number };

type Reply = Extract<FromFront, { kind: 'metrics' | 'done' | 'stopped' }>;

interface Front {
  worker: Worker;
  /** What it was asked and has not answered; null: it ended. */
  asked: Map<number, (reply: Reply | null) => void>;
  /** Requests that were handed over by it, and are under way here. */
  underWay: Map<number, { gone: boolean }>;
  /** Names of models that were lent to it. */
  lent: Set<string>;
}

/** Of V8, for what is soon garbage: the default grows to four times this under load, and is no faster. */
const YOUNG_MB = 48;
/** How long one waits before another takes the place of a front that ended. */
const REPLACE_MS = 1_000;

/** The fronts, as the main thread sees them: answers what they hand over, lends them models and takes these back. */
export class Fronts {
  readonly #script: URL;
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #inline: Inline;
  readonly #answer: (head: Head, call: Call) => Answer | Promise<Answer>;
  #repository!: Repository;
  #fronts: Front[] = [];
  #next = 0;
  #stopping = false;

  constructor(
    script: URL,
    settings: Settings,
    log: Logger,
    inline: Inline,
    answer: (head: Head, call: Call) => Answer | Promise<Answer>,
  ) {
    this.#script = script;
    this.#settings = settings;
    this.#log = log;
    this.#inline = inline;
    this.#answer = answer;
  }

  attach(repository: Repository): void {
    this.#repository = repository;
  }

  /** Starts so many, and keeps their number; each takes connections as soon as it listens. */
  start(count: number, port: number): void {
    for (let front = 0; front < count; front += 1) void this.#keep(port);
  }

  /** Takes back every version of a model: when this returns, no front runs it any more. */
  async revoke(name: string): Promise<void> {
    // One that still starts has none, and is not waited for.
    const lent = this.#fronts.filter((front) => front.lent.delete(name));
    await Promise.all(lent.map((front) => this.#ask(front, { kind: 'revoke', name })));
  }

  /** What each has counted. */
  async metrics(): Promise<MetricsJson[]> {
    const replies = await Promise.all(this.#fronts.map((front) => this.#ask(front, { kind: 'metrics' })));
    return replies.flatMap((reply) => (reply?.kind === 'metrics' ? [reply.metrics] : []));
  }

  /** When this returns, no front accepts connections any more. */
  async refuse(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#fronts.map((front) => this.#ask(front, { kind: 'refuse' })));
  }

  /** Has each finish what is in flight. False when that took too long for one of them. */
  async stop(): Promise<boolean> {
    const replies = await Promise.all(this.#fronts.map((front) => this.#ask(front, { kind: 'stop' })));
    const clean = replies.every((reply) => reply === null || (reply.kind === 'stopped' && reply.clean));
    if (clean) await Promise.all(this.#fronts.map(({ worker }) => worker.terminate()));
    return clean;
  }

  async #keep(port: number): Promise<void> {
    while (!this.#stopping) {
      await this.#run(port);
      if (!this.#stopping) await sleep(REPLACE_MS, undefined, { ref: false });
    }
  }

  /** One front, from its start to its end. */
  async #run(port: number): Promise<void> {
    const worker = new Worker(this.#script, {
      workerData: { settings: this.#settings, port },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    const front: Front = { worker, asked: new Map(), underWay: new Map(), lent: new Set() };
    this.#fronts.push(front);
    worker.on('message', (message: FromFront) => this.#handle(front, message));
    worker.on('error', (error) => this.#log.error({ error: String(error) }, 'a front crashed; it is replaced'));
    await new Promise((ended) => worker.once('exit', ended));
    this.#fronts = this.#fronts.filter((other) => other !== front);
    for (const done of front.asked.values()) done(null);
    for (const call of front.underWay.values()) call.gone = true;
  }

  #handle(front: Front, message: FromFront): void {
    switch (message.kind) {
      case 'request':
        void this.#respond(front, message);
        return;
      case 'gone': {
        const call = front.underWay.get(message.id);
        if (call) call.gone = true;
        return;
      }
      default:
        front.asked.get(message.id)?.(message);
        front.asked.delete(message.id);
    }
  }

  async #respond(front: Front, { id, head, body, deadline }: Extract<FromFront, { kind: 'request' }>): Promise<void> {
    const state = { gone: false };
    front.underWay.set(id, state);
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
    const call: Call = {
      deadline,
      read(go, most = Number.POSITIVE_INFINITY) {
        if (bytes.length > most) throw tooLarge(most);
        return go(bytes);
      },
      gone: () => state.gone,
      model: undefined,
    };
    let answer: Answer;
    try {
      answer = await this.#answer(head, call);
    } catch (error) {
      answer = refused(error);
    }
    front.underWay.delete(id);
    const model = call.model && { key: call.model.key, name: call.model.name, version: call.model.version };
    const lease = model ? this.#lease(model, head) : null;
    if (lease) front.lent.add(lease.name);
    this.#post(front, { kind: 'answer', id, answer, model, lease });
  }

  /** Leave to run what was just asked, where it is quick and still what serves. */
  #lease({ key, name, version }: Named, { url = '' }: Head): Lease | null {
    const limit = this.#inline.limit(key);
    if (limit < 0) return null;
    const asked = url.includes(`/versions/${version}/`) ? version : undefined;
    const model: Model | undefined = this.#repository.find(name, asked);
    if (model?.key !== key) return null;
    const { maxRows, maxDelayMs, batchable, package: from } = model;
    return { name, asked, target: { key, name, version, maxRows, maxDelayMs, batchable }, package: from, limit };
  }

  #ask(
    front: Front,
    question: { kind: 'revoke'; name: string } | { kind: 'metrics' | 'refuse' | 'stop' },
  ): Promise<Reply | null> {
    const id = this.#next++;
    return new Promise((done) => {
      front.asked.set(id, done);
      this.#post(front, { ...question, id } as ToFront);
    });
  }

  #post({ worker }: Front, message: ToFront): void {
    worker.postMessage(message);
  }
}
