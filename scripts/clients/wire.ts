import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a server, hands on every byte, and remembers them until they are asked for. */
export class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #sent: Buffer[] = [];
  #answered: Buffer[] = [];

  constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      client.on('data', (bytes) => this.#sent.push(bytes));
      server.on('data', (bytes) => this.#answered.push(bytes));
      client.pipe(server).pipe(client);
      for (const [socket, other] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => this.#sockets.delete(socket));
      }
    });
  }

  async listen(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** What went over it since it was asked last. */
  take(): { sent: Buffer; answered: Buffer } {
    const taken = { sent: Buffer.concat(this.#sent), answered: Buffer.concat(this.#answered) };
    this.#sent = [];
    this.#answered = [];
    return taken;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
