import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Metrics } from '../metrics.ts';
import type { Named } from '../models/scheduler.ts';
import { Access } from '../protocol/access.ts';
import { type Answer, refused } from '../protocol/answer.ts';
import { type Head, header } from '../protocol/header.ts';
import type { Call } from '../protocol/inference.ts';
import type { Settings } from '../settings.ts';
import { Arriving } from './arriving.ts';
import { codingFor, codingOf, packed, unpacked } from './coding.ts';
import { PlainConnection } from './plain-connection.ts';
import { StreamedRequest } from './streamed-request.ts';
import type { Transaction } from './transaction.ts';

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

class Request implements Connected {
  readonly transaction: Transaction;
  readonly started = performance.now();
  readonly id: string;
  deadline: number;
  model: Named | undefined = undefined;
  readonly #mostBytes: number;
  readonly #arriving: Arriving;

  constructor(transaction: Transaction, { REQUEST_SECONDS, BODY_MEGABYTES }: Settings, arriving: Arriving) {
    this.transaction = transaction;
    this.#arriving = arriving;
    const given = header(transaction.head, 'x-request-id');
    this.id = given !== undefined && REQUEST_ID.test(given) ? given : `${THREAD}-${(requests++).toString(36)}`;
    this.deadline = Date.now() + REQUEST_SECONDS * 1_000;
    this.#mostBytes = BODY_MEGABYTES * 1024 * 1024;
  }

  read<T>(go: (body: Buffer) => T | Promise<T>, most = this.#mostBytes): T | Promise<T> {
    const coding = codingOf(this.transaction.head);
    if (!coding) return this.transaction.read(go, most);
    return this.transaction.read((body) => unpacked(body, coding, most, this.#arriving).then(go), most);
  }

  gone(): boolean {
    return this.transaction.gone();
  }

  whenGone(run: () => void): void {
    this.transaction.whenGone(run);
  }
}

/** What finds the answer to a request; may throw HttpError. */
export type Answerer = (request: Head, call: Connected) => Answer | Promise<Answer>;

/** The HTTP side of a thread: connections, bodies within their limit, request ids, the log, and an end without lost answers. */
export class Listener {
  readonly #server: Server;
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #access: Access;
  readonly #answer: Answerer;
  readonly #plain = new Set<PlainConnection>();
  // Connections without a request are not idle to Node, but nobody waits on them.
  readonly #fresh = new Set<Socket>();
  readonly #arriving: Arriving;
  #closed: Promise<boolean> = Promise.resolve(true);
  #finishing = false;
  /** When the last line about a 503 was written. */
  #busyLine = 0;

  constructor(settings: Settings, log: Logger, metrics: Metrics, answer: Answerer) {
    this.#settings = settings;
    this.#log = log;
    this.#metrics = metrics;
    this.#access = new Access(settings);
    this.#answer = answer;
    this.#arriving = new Arriving(settings.QUEUE_MEGABYTES * 1024 * 1024);
    const server = createServer((request, response) =>
      this.#respond(new StreamedRequest(request, response, this.#arriving)),
    );
    // Longer than a load balancer's own, so that it is never the server that closes first.
    server.keepAliveTimeout = 240_000;
    server.requestTimeout = settings.REQUEST_SECONDS * 1_000;
    server.on('request', (request) => this.#fresh.delete(request.socket));
    // A connection is served here as long as its requests are plain, and by Node's own HTTP from the first that is not.
    const [http] = server.listeners('connection');
    server.removeAllListeners('connection');
    const { headersTimeout, keepAliveTimeout } = server;
    const owner = {
      headersTimeout,
      keepAliveTimeout,
      respond: (transaction: Transaction) => this.#respond(transaction),
      takeOver: (connection: PlainConnection, socket: Socket) => {
        this.#plain.delete(connection);
        if (!connection.known) {
          this.#fresh.add(socket);
          socket.once('close', () => this.#fresh.delete(socket));
        }
        http!.call(server, socket);
      },
    };
    server.on('connection', (socket) => {
      const connection = new PlainConnection(socket, owner);
      this.#plain.add(connection);
      socket.once('close', () => this.#plain.delete(connection));
    });
    this.#server = server;
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
      for (const connection of this.#plain) connection.endIdle();
      for (const socket of this.#fresh) socket.destroy();
    }, IDLE_MS);
    const clean = await Promise.race([this.#closed, late.promise]);
    clearTimeout(timer);
    clearInterval(idle);
    this.#server.closeAllConnections();
    for (const connection of this.#plain) connection.end();
    return clean;
  }

  #respond(transaction: Transaction): void {
    const call = new Request(transaction, this.#settings, this.#arriving);
    let answer: Answer | Promise<Answer>;
    try {
      this.#access.admit(transaction.head);
      answer = this.#answer(transaction.head, call);
    } catch (error) {
      answer = refused(error);
    }
    if (!(answer instanceof Promise)) this.#send(call, answer);
    else
      answer.then(
        (found) => this.#send(call, found),
        (error) => this.#send(call, refused(error)),
      );
  }

  #send(call: Request, answer: Answer): void {
    const { status = 200, body, headers, fault } = answer;
    const { transaction, id: requestId } = call;
    if (status >= 500 && this.#worthALine(status))
      this.#log.warn({ requestId, path: pathOf(transaction.head), status, error: fault ?? body }, 'request failed');
    // A server that stops says so: what a client sends over a connection that is about to end would be lost. Only when no
    // thread accepts any more: who is told comes again, and would be cut off with the last socket that listens.
    const last = this.#finishing;
    // Only what a model answered: clients that ask for packed answers do not look whether others are.
    const coding = call.model && status === 200 ? codingFor(transaction.head, body) : null;
    const sent = coding
      ? packed(body, coding).then(
          (bytes) => {
            const coded = { ...headers, 'content-encoding': coding, vary: 'Accept-Encoding' };
            return transaction.send({ status, body: bytes, requestId, headers: coded, last });
          },
          // Where it can't be packed, it is sent as it is.
          () => transaction.send({ status, body, requestId, headers, last }),
        )
      : transaction.send({ status, body, requestId, headers, last });
    if (sent) void sent.then(() => this.#sent(call, status));
    else this.#sent(call, status);
  }

  #sent({ transaction: { head }, started, model, id: requestId }: Request, status: number): void {
    const ms = performance.now() - started;
    if (model) this.#metrics.answered(model, status, ms);
    if (this.#log.isLevelEnabled('debug'))
      this.#log.debug({ requestId, method: head.method, path: pathOf(head), status, model: model?.key, ms }, 'request');
  }

  /** A line a second says that requests are turned away; their number is in the metrics. */
  #worthALine(status: number): boolean {
    if (status !== 503) return true;
    const now = performance.now();
    if (this.#busyLine > 0 && now - this.#busyLine < 1_000) return false;
    this.#busyLine = now;
    return true;
  }
}

function pathOf(request: Head): string {
  return (request.url ?? '').slice(0, 200);
}
