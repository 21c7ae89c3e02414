import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Metrics } from '../metrics.ts';
import { type Answer, refused } from '../protocol/answer.ts';
import { type Head, header } from '../protocol/header.ts';
import { HttpError, tooLarge } from '../protocol/http-error.ts';
import type { Call } from '../protocol/inference.ts';
import type { Settings } from '../settings.ts';

/** How long the rest of a refused body is read for. */
const REFUSED_BODY_MS = 5_000;
/** How long a shutdown leaves connections open on which nothing comes. */
const IDLE_MS = 500;
/** Request ids that are made here: of this thread, and counted. */
const THREAD = randomUUID();
let requests = 0;
const REQUEST_ID = /^[\w.:-]{1,64}$/;

/** A call that came over a connection of this thread. */
export interface Connected extends Call {
  /** Runs something when the client goes before its answer. */
  whenGone(run: () => void): void;
}

/** What finds the answer to a request; may throw HttpError. */
export type Answerer = (request: Head, call: Connected) => Answer | Promise<Answer>;

/** The HTTP side of a thread: connections, bodies within their limit, request ids, the log, and an end without lost answers. */
export class Listener {
  readonly #server: Server;
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #answer: Answerer;
  // Connections without a request are not idle to Node, but nobody waits on them.
  readonly #fresh = new Set<Socket>();
  #closed: Promise<boolean> = Promise.resolve(true);
  #finishing = false;
  /** When the last line about a 503 was written. */
  #busyLine = 0;
  /** Bytes of bodies that are still arriving. */
  #arriving = 0;

  constructor(settings: Settings, log: Logger, metrics: Metrics, answer: Answerer) {
    this.#settings = settings;
    this.#log = log;
    this.#metrics = metrics;
    this.#answer = answer;
    this.#server = createServer((request, response) => void this.#respond(request, response));
    // Longer than a load balancer's own, so that it is never the server that closes first.
    this.#server.keepAliveTimeout = 240_000;
    this.#server.requestTimeout = settings.REQUEST_SECONDS * 1_000;
    this.#server.on('connection', (socket) => {
      this.#fresh.add(socket);
      socket.once('close', () => this.#fresh.delete(socket));
    });
    this.#server.on('request', (request) => this.#fresh.delete(request.socket));
  }

  /** Listens; `shared`: other threads listen on the same port, and the system divides the connections among them. */
  async listen(port: number, shared: boolean): Promise<number> {
    await new Promise<void>((done, failed) => {
      this.#server.once('error', failed);
      this.#server.listen({ port, host: this.#settings.HOST, reusePort: shared }, done);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Accepts no more connections. Those that there are stay, and nobody is told yet. */
  refuse(): void {
    // Not http's own close: it cuts kept connections at once, and on a busy one the next request is on its way already.
    this.#closed = new Promise<boolean>((done) => NetServer.prototype.close.call(this.#server, () => done(true)));
  }

  /** Finishes what is in flight, when no thread accepts any more. False when that took longer than the settings allow. */
  async finish(): Promise<boolean> {
    this.#finishing = true;
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), this.#settings.SHUTDOWN_SECONDS * 1_000);
    const idle = setInterval(() => {
      this.#server.closeIdleConnections();
      for (const socket of this.#fresh) socket.destroy();
    }, IDLE_MS);
    const clean = await Promise.race([this.#closed, late.promise]);
    clearTimeout(timer);
    clearInterval(idle);
    this.#server.closeAllConnections();
    return clean;
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const given = header(request, 'x-request-id');
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : `${THREAD}-${(requests++).toString(36)}`;
    const call: Connected = {
      deadline: Date.now() + this.#settings.REQUEST_SECONDS * 1_000,
      read: (most = this.#settings.BODY_MEGABYTES * 1024 * 1024) => this.#read(request, most),
      gone: () => response.destroyed,
      whenGone: (run) => response.once('close', () => response.writableFinished || run()),
      model: undefined,
    };
    let answer: Answer;
    try {
      answer = await this.#answer(request, call);
    } catch (error) {
      answer = refused(error);
    }
    const { status = 200, body, headers, fault } = answer;
    if (status >= 500 && this.#worthALine(status))
      this.#log.warn({ requestId, path: pathOf(request), status, error: fault ?? body }, 'request failed');
    const refusedEarly = status >= 400 && !request.complete;
    // Read, and dropped, what is left of a refused body: otherwise its sender sees a broken connection and not the answer.
    if (refusedEarly) {
      request.resume();
      await Promise.race([once(request, 'close'), sleep(REFUSED_BODY_MS, undefined, { ref: false })]).catch(
        () => undefined,
      );
    }
    // A server that stops says so: what a client sends over a connection that is about to end would be lost. Only when no
    // thread accepts any more: who is told comes again, and would be cut off with the last socket that listens.
    const closing: Record<string, string> = this.#finishing ? { connection: 'close' } : {};
    send(response, status, body, { 'x-request-id': requestId, ...closing, ...headers });
    // What is left of a body that was refused is not worth reading.
    if (refusedEarly && !request.complete) request.destroy();
    const ms = performance.now() - started;
    if (call.model) this.#metrics.answered(call.model, status, ms);
    if (this.#log.isLevelEnabled('debug'))
      this.#log.debug(
        { requestId, method: request.method, path: pathOf(request), status, model: call.model?.key, ms },
        'request',
      );
  }

  /** A line a second says that requests are turned away; their number is in the metrics. */
  #worthALine(status: number): boolean {
    if (status !== 503) return true;
    const now = performance.now();
    if (this.#busyLine > 0 && now - this.#busyLine < 1_000) return false;
    this.#busyLine = now;
    return true;
  }

  /** The body. Throws 413 for one that is too large, and 503 where too many arrive at once. */
  async #read(request: IncomingMessage, most: number): Promise<Buffer> {
    if (Number(header(request, 'content-length') ?? 0) > most) throw tooLarge(most);
    const together = this.#settings.QUEUE_MEGABYTES * 1024 * 1024;
    let size = 0;
    try {
      return await new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => {
          size += chunk.length;
          this.#arriving += chunk.length;
          // One that is larger than the limit by itself is let in when no other arrives.
          const others = this.#arriving - size;
          const refused =
            size > most
              ? tooLarge(most)
              : others > 0 && this.#arriving > together
                ? new HttpError(503, `bodies of ${others} bytes arrive`, { 'retry-after': '1' })
                : null;
          if (refused) {
            request.removeAllListeners('data');
            reject(refused);
          } else chunks.push(chunk);
        });
        request.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
        request.once('error', () => reject(new HttpError(499, 'the client is gone')));
      });
    } finally {
      this.#arriving -= size;
    }
  }
}

function pathOf(request: Head): string {
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
