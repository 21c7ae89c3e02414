import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { tooLarge } from '../protocol/http-error.ts';
import { type PlainRequest, readPlain } from './plain-request.ts';
import type { Reply, Transaction } from './transaction.ts';

/** Beyond what clients are told, so that one that uses its time to the end is not cut off. */
const GRACE_MS = 1_000;

/** Whose connections they are. */
export interface Owner {
  /** Answers a plain request. */
  respond(transaction: Transaction): void;
  /** Takes over from the first request that is not plain, with what came of it unread on the socket. */
  takeOver(connection: PlainConnection, socket: Socket): void;
  /** Milliseconds that a connection may be silent before its first request, and after one. */
  readonly headersTimeout: number;
  readonly keepAliveTimeout: number;
}

/** A connection for as long as each of its requests is plain, and comes after the answer to the one before. */
export class PlainConnection {
  readonly #socket: Socket;
  readonly #owner: Owner;
  #busy = false;
  /** What came before the answer to what is under way. */
  #early: Buffer[] = [];
  #known = false;
  /** The client has ended its side. */
  #ended = false;
  /** What is run when the client goes before its answer. */
  #whenGone: (() => void) | undefined;

  constructor(socket: Socket, owner: Owner) {
    this.#socket = socket;
    this.#owner = owner;
    for (const [event, listener] of this.#listeners) socket.on(event, listener);
    socket.setTimeout(owner.headersTimeout);
  }

  /** Ends a connection on which nothing is under way, neither in nor out. */
  endIdle(): void {
    if (!this.#busy && (this.#ended || this.#socket.writableLength === 0)) this.#socket.destroy();
  }

  /** Ends it, whatever is under way. */
  end(): void {
    this.#socket.destroy();
  }

  /** Whether a request has come over it. */
  get known(): boolean {
    return this.#known;
  }

  readonly #read = (piece: Buffer): void => {
    // It had its last answer.
    if (!this.#socket.writable) return;
    if (this.#busy) {
      this.#early.push(piece);
      this.#socket.pause();
      return;
    }
    const request = readPlain(piece);
    if (!request) {
      this.#handOver(piece);
      return;
    }
    if (!this.#known) {
      this.#known = true;
      this.#rest();
    }
    this.#busy = true;
    this.#owner.respond(new PlainTransaction(request, this.#socket, this));
  };

  readonly #listeners: [string, (piece: Buffer) => void][] = [
    ['data', this.#read],
    // As Node's HTTP has it: who ends its side waits for no answer.
    [
      'end',
      () => {
        this.#ended = true;
        this.#socket.end();
      },
    ],
    // The connection broke, and closes.
    ['error', () => this.#socket.destroy()],
    // Nothing came, and nothing of an answer was taken.
    ['timeout', () => this.#busy || this.#socket.destroy()],
    ['close', () => this.#whenGone?.()],
  ];

  /** Nothing is under way any more. */
  #free(): void {
    this.#busy = false;
    this.#whenGone = undefined;
  }

  /** From here on it may be silent for as long as clients are told. */
  #rest(): void {
    this.#socket.setTimeout(this.#owner.keepAliveTimeout + GRACE_MS);
  }

  #handOver(piece: Buffer): void {
    const socket = this.#socket;
    for (const [event, listener] of this.#listeners) socket.off(event, listener);
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(piece);
    this.#owner.takeOver(this, socket);
    socket.resume();
  }

  /** The client of what is under way: at most one waits. */
  whenGone(run: () => void): void {
    this.#whenGone = run;
  }

  /** The answer to what was under way is written. */
  answered(last: boolean): void {
    const socket = this.#socket;
    this.#free();
    if (last) socket.destroySoon();
    else if (this.#early.length > 0) {
      const early = Buffer.concat(this.#early);
      this.#early = [];
      if (!socket.destroyed) this.#handOver(early);
    } else if (socket.writableNeedDrain) {
      // Who does not take answers is not asked for more requests.
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  }

  /** What was under way has an answer that nobody takes. */
  dropped(): void {
    this.#free();
    // Its time may have come and gone meanwhile.
    this.#rest();
  }

  /** The first lines of an answer. */
  head(status: number, last: boolean): string {
    const { keepAliveTimeout } = this.#owner;
    const kept = last ? 'close' : `keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeout / 1_000)}`;
    return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\nDate: ${date()}\r\nConnection: ${kept}\r\n`;
  }
}

class PlainTransaction implements Transaction {
  readonly head: PlainRequest['head'];
  readonly #body: Buffer;
  readonly #socket: Socket;
  readonly #connection: PlainConnection;

  constructor({ head, body }: PlainRequest, socket: Socket, connection: PlainConnection) {
    this.head = head;
    this.#body = body;
    this.#socket = socket;
    this.#connection = connection;
  }

  read<T>(go: (body: Buffer) => T | Promise<T>, most: number): T | Promise<T> {
    if (this.#body.length > most) throw tooLarge(most);
    return go(this.#body);
  }

  gone(): boolean {
    return !this.#socket.writable;
  }

  whenGone(run: () => void): void {
    this.#connection.whenGone(run);
  }

  send({ status, body, requestId, headers, last }: Reply): void {
    const socket = this.#socket;
    if (!socket.writable) {
      this.#connection.dropped();
      return;
    }
    const length = Buffer.byteLength(body);
    let head = `${this.#connection.head(status, last)}content-length: ${length}\r\nx-request-id: ${requestId}\r\n`;
    if (headers?.['content-type'] === undefined) head += 'content-type: application/json\r\n';
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    // One write for both: as many characters as bytes are ASCII.
    if (typeof body === 'string' && body.length === length) socket.write(`${head}\r\n${body}`, 'latin1');
    else {
      socket.cork();
      socket.write(`${head}\r\n`, 'latin1');
      socket.write(body);
      socket.uncork();
    }
    this.#connection.answered(last);
  }
}

let second = 0;
let written = '';

/** The time as HTTP writes it, made once a second. */
function date(): string {
  const now = Math.floor(Date.now() / 1_000);
  if (now !== second) {
    second = now;
    written = new Date().toUTCString();
  }
  return written;
}
