import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, beforeEach } from 'node:test';

export interface Passing {
  method: string;
  path: string;
  body: string;
}

/** What becomes of one request. */
export type Verdict =
  | 'pass'
  /** Never answered. */
  | 'hang'
  /** Cut off before the service has it. */
  | 'drop'
  /** The service does it, and its answer is lost. */
  | 'lose'
  /** The service does it, and its answer never comes. */
  | 'keep'
  /** Answered in place of the service; `cut`: the second half of the body never comes. */
  | { status: number; headers?: Record<string, string>; body: string | Uint8Array; cut?: boolean };

/** A door between the gateway and a service behind it, for the tests to shut. */
export class Door {
  readonly port: number;
  readonly url: string;
  /** The port of the service. */
  target = 0;
  rule: (passing: Passing) => Verdict | Promise<Verdict> = () => 'pass';
  /** `<method> <path>` of what came, in order. */
  seen: string[] = [];
  #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.port}`;
    this.#serve();
  }

  static async open(): Promise<Door> {
    return new Door(await listening(0));
  }

  /** Connections are refused from here on, and those that are open end. */
  async shut(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async reopen(): Promise<void> {
    this.#server = await listening(this.port);
    this.#serve();
  }

  /** Shut while `work` runs. */
  async while(work: () => Promise<void>): Promise<void> {
    await this.shut();
    try {
      await work();
    } finally {
      await this.reopen();
    }
  }

  #serve(): void {
    this.#server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
      this.#handle(incoming, response).catch(() => response.destroy());
    });
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(incoming);
    const method = incoming.method ?? 'GET';
    const path = incoming.url ?? '/';
    this.seen.push(`${method} ${path}`);
    const verdict = await this.rule({ method, path, body: body.toString() });
    if (verdict === 'hang') return;
    if (verdict === 'drop') return void response.destroy();
    if (typeof verdict === 'object') {
      const bytes = Buffer.from(verdict.body);
      response.writeHead(verdict.status, {
        'content-type': 'application/json',
        'content-length': bytes.length,
        ...verdict.headers,
      });
      if (verdict.cut) response.write(bytes.subarray(0, bytes.length / 2));
      else response.end(bytes);
      return;
    }
    const { connection: _, ...headers } = incoming.headers;
    const forwarded = request({ host: '127.0.0.1', port: this.target, method, path, headers, agent: false });
    forwarded.end(body);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    const answered = await read(answer);
    if (verdict === 'lose') return void response.destroy();
    if (verdict === 'keep') return;
    const { connection: _own, 'transfer-encoding': _encoding, ...rest } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, { ...rest, 'content-length': answered.length }).end(answered);
  }
}

/** Doors of one test file, by name: open for each of its tests, with nothing seen yet, and shut after the last. */
export async function useDoors<Name extends string>(...names: Name[]): Promise<Record<Name, Door>> {
  const doors = await Promise.all(names.map(() => Door.open()));
  beforeEach(() => {
    for (const door of doors) {
      door.rule = () => 'pass';
      door.seen = [];
    }
  });
  after(async () => {
    for (const door of doors) await door.shut();
  });
  return Object.fromEntries(names.map((name, at) => [name, doors[at]!])) as Record<Name, Door>;
}

async function listening(port: number): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 75_000 });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
