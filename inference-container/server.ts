import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Metrics } from './metrics.ts';
import { BlobSource } from './models/blob-source.ts';
import { Inline } from './models/inline.ts';
import { Pool } from './models/pool.ts';
import { Repository } from './models/repository.ts';
import { Scheduler } from './models/scheduler.ts';
import { header } from './protocol/header.ts';
import { HttpError } from './protocol/http-error.ts';
import { type Call, Inference } from './protocol/inference.ts';
import { answer, type Services } from './protocol/router.ts';
import type { Settings } from './settings.ts';

/** How long the rest of a refused body is read for. */
const REFUSED_BODY_MS = 5_000;
/** How long a shutdown leaves connections open on which nothing comes. */
const IDLE_MS = 500;
/** Request ids that are made here: of this process, and counted. */
const PROCESS = randomUUID();
let requests = 0;
const REQUEST_ID = /^[\w.:-]{1,64}$/;

export interface Running {
  port: number;
  /** Stops accepting, finishes what is in flight, and ends the workers. False when that took too long. */
  stop(): Promise<boolean>;
}

/** Starts the model server: answers from the first moment, and is ready when the repository has been read once. */
export async function startServer(settings: Settings, workers: number, workerScript: URL): Promise<Running> {
  const log = pino({ level: settings.LOG_LEVEL });
  const metrics = new Metrics();
  const inline = new Inline();
  const scheduler = new Scheduler(
    { requests: settings.QUEUE_REQUESTS, bytes: settings.QUEUE_MEGABYTES * 1024 * 1024 },
    inline,
    metrics,
  );
  const pool = new Pool(workerScript, workers, scheduler.wake, (error) =>
    log.error({ error: error.message }, 'a worker crashed; it is replaced'),
  );
  scheduler.attach(pool);
  const blobs = settings.MODEL_BLOB_URL || settings.MODEL_BLOB_CONNECTION ? new BlobSource(settings, log) : null;
  const roots = [resolve(settings.MODEL_DIR), ...(blobs ? [resolve(settings.CACHE_DIR)] : [])];
  const repository = new Repository(roots, pool, inline, scheduler, metrics, log);
  const services: Services = {
    repository,
    inference: new Inference(scheduler),
    metrics,
    release: settings.RELEASE,
    read: (request) => readBody(request, settings.BODY_MEGABYTES * 1024 * 1024),
  };

  const server = createServer((request, response) => {
    void respond(request, response, services, settings, log, server);
  });
  // Longer than a load balancer's own, so that it is never the server that closes first.
  server.keepAliveTimeout = 240_000;
  server.requestTimeout = settings.REQUEST_SECONDS * 1_000;
  // Connections without a request are not idle to Node, but nobody waits on them.
  const fresh = new Set<Socket>();
  server.on('connection', (socket) => {
    fresh.add(socket);
    socket.once('close', () => fresh.delete(socket));
  });
  server.on('request', (request) => fresh.delete(request.socket));
  const port = await listen(server, settings);

  let following: Promise<void> | null = null;
  /** One look at a time: another would take the draft of a version that still arrives for one that was left. */
  const follow = (): Promise<void> => {
    following ??= look().finally(() => {
      following = null;
    });
    return following;
  };
  const look = async () => {
    try {
      await blobs?.fetch();
    } catch (error) {
      log.error(
        { error: error instanceof Error ? error.message : String(error) },
        'the Blob container was not read; what is served stays',
      );
    }
    await repository.scan();
  };
  // What is on this machine serves first; a Blob container may be slow.
  const first = repository
    .scan()
    .then(() => (blobs ? follow() : undefined))
    .finally(() => {
      repository.settled = true;
    })
    .then(() => log.info({ port, workers, models: repository.names }, 'ready'));
  first.catch((error) => log.error({ error: String(error) }, 'the repository was not read'));
  const watch =
    settings.MODEL_WATCH_SECONDS > 0
      ? setInterval(
          () => void follow().catch((error) => log.error({ error: String(error) }, 'the repository was not read')),
          settings.MODEL_WATCH_SECONDS * 1_000,
        )
      : undefined;

  return {
    port,
    async stop() {
      clearInterval(watch);
      // Not http's own close: it cuts kept connections at once, and on a busy one the next request is on its way already.
      const closed = new Promise<boolean>((done) => NetServer.prototype.close.call(server, () => done(true)));
      const late = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => late.resolve(false), settings.SHUTDOWN_SECONDS * 1_000);
      const idle = setInterval(() => {
        server.closeIdleConnections();
        for (const socket of fresh) socket.destroy();
      }, IDLE_MS);
      const clean = await Promise.race([closed, late.promise]);
      clearTimeout(timer);
      clearInterval(idle);
      server.closeAllConnections();
      if (clean) await pool.close();
      return clean;
    },
  };
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  services: Services,
  settings: Settings,
  log: pino.Logger,
  server: Server,
): Promise<void> {
  // A server that stops says so: what a client sends over a connection that is about to end would be lost.
  const closing = (): Record<string, string> => (server.listening ? {} : { connection: 'close' });
  const started = performance.now();
  const given = header(request, 'x-request-id');
  const requestId = given !== undefined && REQUEST_ID.test(given) ? given : `${PROCESS}-${(requests++).toString(36)}`;
  const call: Call = {
    deadline: Date.now() + settings.REQUEST_SECONDS * 1_000,
    gone: () => response.destroyed,
    model: undefined,
  };
  let status: number;
  try {
    const { status: code = 200, body, headers, fault } = await answer(request, services, call);
    status = code;
    if (status >= 500) log.warn({ requestId, path: pathOf(request), status, error: fault ?? body }, 'request failed');
    send(response, status, body, { 'x-request-id': requestId, ...closing(), ...headers });
  } catch (error) {
    status = error instanceof HttpError ? error.status : 500;
    if (status >= 500)
      log.warn(
        {
          requestId,
          path: pathOf(request),
          status,
          error: error instanceof HttpError ? error.message : (error as Error).stack,
        },
        'request failed',
      );
    const message = error instanceof HttpError ? error.message : 'unexpected error';
    // Read, and dropped, what is left of a refused body: otherwise its sender sees a broken connection and not the answer.
    if (!request.complete) {
      request.resume();
      await Promise.race([once(request, 'close'), sleep(REFUSED_BODY_MS, undefined, { ref: false })]).catch(
        () => undefined,
      );
    }
    send(response, status, JSON.stringify({ error: message }), {
      'x-request-id': requestId,
      ...closing(),
      ...(error instanceof HttpError ? error.headers : {}),
    });
    // What is left of a body that was refused is not worth reading.
    if (!request.complete) request.destroy();
  }
  const ms = performance.now() - started;
  if (call.model) services.metrics.answered(call.model, status, ms);
  if (log.isLevelEnabled('debug'))
    log.debug(
      { requestId, method: request.method, path: pathOf(request), status, model: call.model?.key, ms },
      'request',
    );
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').slice(0, 200);
}

function send(
  response: ServerResponse,
  status: number,
  body: string | Uint8Array,
  headers: Record<string, string>,
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => new HttpError(413, `the body has more than ${limit} bytes`);
  if (Number(header(request, 'content-length') ?? 0) > limit) throw tooLarge();
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        request.removeAllListeners('data');
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    request.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    request.once('error', () => reject(new HttpError(499, 'the client is gone')));
  });
}

async function listen(server: Server, { PORT, HOST }: Settings): Promise<number> {
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(PORT, HOST, done);
  });
  return (server.address() as AddressInfo).port;
}
