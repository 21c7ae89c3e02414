import { parentPort, workerData } from 'node:worker_threads';
import { pino } from 'pino';
import { collectSoon } from '../garbage.ts';
import { Metrics } from '../metrics.ts';
import { Inline } from '../models/inline.ts';
import { Scheduler } from '../models/scheduler.ts';
import { SMALL_BYTES, sizeOf } from '../models/size.ts';
import type { Answer } from '../protocol/answer.ts';
import { type Head, header } from '../protocol/header.ts';
import { HttpError } from '../protocol/http-error.ts';
import { type Asked, Inference } from '../protocol/inference.ts';
import { limitParsed } from '../protocol/json.ts';
import { jsonBytes } from '../protocol/requests.ts';
import * as v2 from '../protocol/v2.ts';
import type { Settings } from '../settings.ts';
import type { FromFront, Lease, ToFront } from './fronts.ts';
import { type Connected, Listener } from './listener.ts';

/**
 * A front: another thread that serves HTTP on the same port. It runs what is quick by itself, by leases of models that the main
 * thread has given it, and hands everything else to the main thread as it came.
 */
const { settings, port } = workerData as { settings: Settings; port: number };
limitParsed(settings.REQUEST_MEGABYTES);
const main = {
  post: (message: FromFront, transfer: ArrayBuffer[] = []) => parentPort!.postMessage(message, transfer),
};
const log = pino({ level: settings.LOG_LEVEL });
const metrics = new Metrics(false);
const inline = new Inline();

/** A job turned out not to be quick, or its model is not open here yet. */
class NotHere extends Error {}
const scheduler = new Scheduler(
  { requests: settings.QUEUE_REQUESTS, bytes: settings.QUEUE_MEGABYTES * 1024 * 1024 },
  inline,
  metrics,
);
scheduler.attach({ takes: () => true, idle: false, answer: () => Promise.reject(new NotHere()) });
const inference = new Inference(scheduler);

/** Models that may be run here, by name and the version that was asked for. */
const leases = new Map<string, Asked>();
const waiting = new Map<number, (reply: Extract<ToFront, { kind: 'answer' }>) => void>();
let next = 0;

const listener = new Listener(settings, log, metrics, answer);
await listener.listen(port, true);
metrics.threads.set(1);
// Not before: what the main thread says meanwhile waits.
parentPort!.on('message', (message: ToFront) => void handle(message));

async function handle(message: ToFront): Promise<void> {
  switch (message.kind) {
    case 'answer': {
      if (message.lease) take(message.lease);
      waiting.get(message.id)?.(message);
      waiting.delete(message.id);
      return;
    }
    case 'revoke': {
      await revoke(message.name);
      return main.post({ kind: 'done', id: message.id });
    }
    case 'metrics':
      return main.post({ kind: 'metrics', id: message.id, metrics: await metrics.json() });
    case 'refuse': {
      listener.refuse();
      return main.post({ kind: 'done', id: message.id });
    }
    case 'stop': {
      const clean = await listener.finish();
      // A thread that is ended with a session open takes the process with it.
      if (clean) await inline.close();
      return main.post({ kind: 'stopped', id: message.id, clean });
    }
  }
}

const place = (name: string, version: string | undefined) => `${name}/${version ?? ''}`;

function take({ name, asked, target, package: from, limit }: Lease): void {
  const at = place(name, asked);
  if (leases.get(at)?.key !== target.key) leases.set(at, { ...target, inFlight: 0, used: true });
  inline.lend(target.key, from, limit);
}

/** The model changes, or goes: requests that came before finish with it, and those that come are the main thread's to answer. */
async function revoke(name: string): Promise<void> {
  const revoked = [...leases].filter(([, lease]) => lease.name === name);
  for (const [at] of revoked) leases.delete(at);
  for (const [, lease] of revoked) {
    while (lease.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    scheduler.forget(lease.key);
    await inline.remove(lease.key);
    metrics.forget(lease.name, lease.version);
  }
}

const INFER = /^\/v2\/models\/([\w.-]+)(?:\/versions\/([\w.-]+))?\/infer$/;
const PREDICT = /^\/v1\/models\/([\w.-]+):predict$/;

function answer(request: Head, call: Connected): Answer | Promise<Answer> {
  const path = (request.url ?? '/').split('?', 1)[0]!;
  const predict = request.method === 'POST' ? PREDICT.exec(path) : null;
  const infer = request.method === 'POST' && !predict ? INFER.exec(path) : null;
  const [, name, version] = predict ?? infer ?? [];
  return call.read((body) => {
    // Looked for when the body is there: a model that is found must not be replaced while its request still arrives.
    const model = name === undefined ? undefined : leases.get(place(name, version));
    const headerLength = infer ? header(request, 'inference-header-content-length') : undefined;
    if (!model || body.length > inline.limit(model.key) || jsonBytes({ body, headerLength }) > SMALL_BYTES)
      return hand(request, body, call);
    const timeout = infer ? v2.timeoutOf({ bytes: body, headerLength }) : undefined;
    if (timeout !== undefined) call.deadline = Math.min(call.deadline, Date.now() + timeout / 1_000);
    call.model = model;
    const asked = { protocol: infer ? ('v2' as const) : ('v1' as const), body, headerLength, deadline: call.deadline };
    return inference.answer(model, asked, call).catch((error) => {
      if (!(error instanceof NotHere)) throw error;
      call.model = undefined;
      return hand(request, body, call);
    });
  });
}

/** Has the main thread answer. */
function hand({ method, url, rawHeaders }: Head, body: Buffer, call: Connected): Promise<Answer> {
  if (call.gone()) throw new HttpError(499, 'the client is gone');
  if (sizeOf(body) !== 'small') collectSoon();
  const id = next++;
  call.whenGone(() => main.post({ kind: 'gone', id }));
  return new Promise((resolve) => {
    waiting.set(id, ({ answer, model }) => {
      call.model = model;
      resolve(answer);
    });
    // Memory of its own can be handed over; a small body shares its with others.
    const memory = body.buffer as ArrayBuffer;
    const own = memory.byteLength === body.length ? new Uint8Array(memory) : new Uint8Array(body);
    main.post({ kind: 'request', id, head: { method, url, rawHeaders }, body: own, deadline: call.deadline }, [
      own.buffer,
    ]);
  });
}
