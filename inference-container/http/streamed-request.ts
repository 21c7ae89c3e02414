import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectSoon } from '../garbage.ts';
import { header } from '../protocol/header.ts';
import { HttpError, tooLarge } from '../protocol/http-error.ts';
import { type Arriving, JOINED_BYTES } from './arriving.ts';
import type { Reply, Transaction } from './transaction.ts';

/** How long the rest of a refused body is read for. */
const REFUSED_BODY_MS = 5_000;

/** A request by Node's own HTTP, whose body arrives piece by piece. */
export class StreamedRequest implements Transaction {
  readonly head: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #arriving: Arriving;

  constructor(request: IncomingMessage, response: ServerResponse, arriving: Arriving) {
    this.head = request;
    this.#response = response;
    this.#arriving = arriving;
  }

  read<T>(go: (body: Buffer) => T | Promise<T>, most: number): Promise<T> {
    return this.#body(most).then(go);
  }

  gone(): boolean {
    return this.#response.destroyed;
  }

  whenGone(run: () => void): void {
    this.#response.once('close', () => this.#response.writableFinished || run());
  }

  async send({ status, body, requestId, headers, last }: Reply): Promise<void> {
    const request = this.head;
    const refusedEarly = status >= 400 && !request.complete;
    // Read, and dropped, what is left of a refused body: otherwise its sender sees a broken connection and not the answer.
    if (refusedEarly) {
      request.resume();
      await Promise.race([once(request, 'close'), sleep(REFUSED_BODY_MS, undefined, { ref: false })]).catch(
        () => undefined,
      );
    }
    const response = this.#response;
    if (!response.destroyed && !response.headersSent) {
      response.writeHead(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'x-request-id': requestId,
        ...headers,
        ...(last ? { connection: 'close' } : {}),
      });
      response.end(body);
    }
    // What is left of a body that was refused is not worth reading.
    if (refusedEarly && !request.complete) request.destroy();
  }

  /** Throws 413 for one that is too large, and 503 where too many arrive at once. */
  async #body(most: number): Promise<Buffer> {
    const request = this.head;
    const arriving = this.#arriving;
    const length = Number(header(request, 'content-length') ?? 0);
    if (length > most) throw tooLarge(most);
    let size = 0;
    try {
      return await new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        // Of a length that is told, each piece is put where it belongs: to join a large body at its end would hold up everybody.
        const whole = length > JOINED_BYTES ? Buffer.allocUnsafeSlow(length) : null;
        request.on('data', (chunk: Buffer) => {
          size += chunk.length;
          const refused = arriving.add(chunk.length, size, most);
          if (whole && !refused) {
            whole.set(chunk, size - chunk.length);
            release(chunk);
          }
          if (refused) {
            request.removeAllListeners('data');
            reject(refused);
          } else if (!whole) chunks.push(chunk);
        });
        request.once('end', () => resolve(whole ?? (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))));
        request.once('error', () => reject(new HttpError(499, 'the client is gone')));
      });
    } finally {
      arriving.remove(size);
      // Of what was cut off or refused nobody else hears.
      if (size > JOINED_BYTES) collectSoon();
    }
  }
}

/**
 * Gives the memory of a piece back at once. Left to V8, a thousand of them would wait to be collected, and what is allocated
 * meanwhile beyond them keeps the C library from ever returning their room.
 */
function release({ buffer, length }: Buffer): void {
  // Of a pool, or a part: others are in it too.
  if (buffer.byteLength === length && buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}
