import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PlainConnection } from '../../inference-container/http/plain-connection.ts';
import type { Transaction } from '../../inference-container/http/transaction.ts';
import { eventually, metric, serve, turnsASecond, useServer, whileBusy, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** Connections as clients may use them: requests in one piece or many, one after the other or at once, by either way of reading. */
const server = useServer(async (folder) => {
  await writeModel(folder, 'plus', '1', models.plus(1));
  await writeModel(folder, 'slow', '1', models.slow());
  await writeModel(folder, 'words', '1', models.identity('BYTES'));
});

interface Response {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** A client's end of a connection, and the responses that came over it. */
class Client {
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  ended = false;

  constructor(port = server.it.port, allowHalfOpen = false) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen });
    this.socket.setNoDelay(true).unref();
    this.socket.on('data', (piece: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, piece]);
    });
    this.socket.once('close', () => {
      this.ended = true;
    });
    this.socket.on('error', () => undefined);
  }

  write(piece: string | Buffer): void {
    this.socket.write(piece);
  }

  /** The next response. */
  response(): Promise<Response> {
    return eventually(async () => {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end === -1) {
        assert.ok(!this.ended, 'the connection ended without an answer');
        return null;
      }
      const [first, ...lines] = this.#bytes.subarray(0, end).toString('latin1').split('\r\n');
      const headers = new Map(
        lines.map((line) => {
          const at = line.indexOf(':');
          return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
        }),
      );
      const behind = end + 4 + Number(headers.get('content-length'));
      if (this.#bytes.length < behind) return null;
      const body = this.#bytes.subarray(end + 4, behind).toString();
      this.#bytes = this.#bytes.subarray(behind);
      return { status: Number(first!.split(' ')[1]), headers, body };
    }, 5);
  }
}

const ask = (model: string, input: object, more: string[] = []): string => {
  const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1], ...input }] });
  const length = Buffer.byteLength(body);
  return [`POST /v2/models/${model}/infer HTTP/1.1`, 'Host: test', ...more, `Content-Length: ${length}`, '', body].join(
    '\r\n',
  );
};
const plus = (value: number, more?: string[]) => ask('plus', { datatype: 'INT64', data: [value] }, more);
const seen = ({ body }: Response): number => (JSON.parse(body) as { outputs: [{ data: [number] }] }).outputs[0].data[0];
/** A header that has a request read by Node's own HTTP. */
const BY_NODE = ['TE: trailers'];

test('a connection is kept, and requests come one after the other', async () => {
  const client = new Client();
  for (let value = 0; value < 20; value += 1) {
    client.write(plus(value));
    const response = await client.response();
    assert.equal(seen(response), value + 1);
    assert.equal(response.headers.get('connection'), 'keep-alive');
    assert.match(response.headers.get('keep-alive')!, /^timeout=240$/);
  }
  client.socket.destroy();
});

test('a request in two pieces is answered, wherever it is divided, and so is the next', async () => {
  const text = plus(1);
  await Promise.all(
    Array.from({ length: text.length - 1 }, async (_, at) => {
      const client = new Client();
      await once(client.socket, 'connect');
      client.write(text.slice(0, at + 1));
      await sleep(20);
      client.write(text.slice(at + 1));
      assert.equal(seen(await client.response()), 2, `divided at ${at + 1}`);
      client.write(plus(2));
      assert.equal(seen(await client.response()), 3, `divided at ${at + 1}`);
      client.socket.destroy();
    }),
  );
});

test('requests that come together are answered in their order, whichever way each is read', async () => {
  for (const [name, texts] of Object.entries({
    plain: [plus(1), plus(2), plus(3)],
    mixed: [plus(1), plus(2, BY_NODE), plus(3)],
    halved: [plus(1), plus(2), plus(3).slice(0, 40), plus(3).slice(40)],
  })) {
    for (const apart of [false, true]) {
      const client = new Client();
      if (apart)
        for (const text of texts) {
          client.write(text);
          await sleep(1);
        }
      else client.write(texts.join(''));
      for (const value of [2, 3, 4]) assert.equal(seen(await client.response()), value, `${name}, apart: ${apart}`);
      client.socket.destroy();
    }
  }
});

test('a request that comes while the one before still runs is answered after it', async () => {
  const perSecond = await turnsASecond(server.it);
  const client = new Client();
  client.write(ask('slow', { datatype: 'INT64', data: [Math.ceil(perSecond / 4)] }));
  await sleep(20);
  client.write(plus(7));
  await sleep(20);
  client.write(plus(8));
  const first = await client.response();
  assert.match(first.body, /"model_name":"slow"/);
  assert.equal(seen(await client.response()), 8);
  assert.equal(seen(await client.response()), 9);
  client.socket.destroy();
});

test('both ways give the same answer, header for header', async () => {
  const requests = (more: string[]) => {
    const get = (path: string) => [`GET ${path} HTTP/1.1`, 'Host: test', ...more, '', ''].join('\r\n');
    const id = [...more, 'X-Request-Id: given.1'];
    return [
      ...['/v2', '/v2/health/ready', '/v2/models/plus', '/v1/models', '/nothing', '/v2/models/absent'].map(get),
      plus(1, id),
      ask('plus', { datatype: 'FP32', data: [1] }, id),
      ask('words', { datatype: 'BYTES', data: ['안녕하세요, 반갑습니다 — ok'] }, id),
      ask('words', { datatype: 'BYTES', data: ['안녕'], parameters: { binary_data: 1 } }, id),
      [
        'POST /v2/models/words/infer HTTP/1.1',
        ...['Host: test', ...id, 'Inference-Header-Content-Length: 0', 'Content-Length: 2', '', 'hi'],
      ].join('\r\n'),
      ['POST /v2/health/live HTTP/1.1', 'Host: test', ...id, 'Content-Length: 2', '', '{}'].join('\r\n'),
    ];
  };
  const [plain, byNode] = [requests([]), requests(BY_NODE)];
  for (const [index, text] of plain.entries()) {
    const [left, right] = await Promise.all(
      [text, byNode[index]!].map(async (each) => {
        const client = new Client();
        client.write(each);
        const { status, headers, body } = await client.response();
        client.socket.destroy();
        assert.match(headers.get('date')!, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
        assert.match(headers.get('x-request-id')!, each.includes('given.1') ? /^given\.1$/ : /^[\w-]{38,}$/);
        headers.delete('date');
        headers.delete('x-request-id');
        return { status, body, headers: [...headers].sort() };
      }),
    );
    assert.deepEqual(left, right, text);
  }
});

test('who asks for the end of the connection gets it, after the answer', async () => {
  const client = new Client();
  client.write(plus(1));
  await client.response();
  client.write(plus(2, ['Connection: close']));
  const response = await client.response();
  assert.equal(seen(response), 3);
  assert.equal(response.headers.get('connection'), 'close');
  await eventually(async () => client.ended, 5);
});

test('what is no HTTP is refused, and the connection ends', async () => {
  for (const text of ['\x16\x03\x01\x02\0', 'hello\r\n\r\n', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n']) {
    const client = new Client();
    client.write(plus(1));
    await client.response();
    client.write(text);
    await eventually(async () => client.ended, 5);
  }
});

test('a client that goes while its request waits is counted as gone', async () => {
  const perSecond = await turnsASecond(server.it);
  const gone = () => metric(server.it, 'maru_inference_requests_total', { model: 'slow', code: '499' });
  const before = await gone();
  await whileBusy(server.it, perSecond, async () => {
    const client = new Client();
    client.write(ask('slow', { datatype: 'INT64', data: [1] }));
    const waiting = () => metric(server.it, 'maru_inference_queue_requests', { model: 'slow' });
    await eventually(async () => (await waiting()) > 0, 5);
    client.socket.destroy();
  });
  await eventually(async () => (await gone()) > before, 5);
});

test('a shutdown waits for a request whose head is half there, on a connection that was used', async () => {
  const ending = await serve(server.it.folder);
  const client = new Client(ending.port);
  client.write(plus(1));
  await client.response();
  client.write(plus(2).slice(0, 30));
  await sleep(50);
  const stopped = ending.stop();
  // Longer than a shutdown leaves idle connections open.
  await sleep(1_200);
  client.write(plus(2).slice(30));
  const response = await client.response();
  assert.equal(seen(response), 3);
  assert.equal(response.headers.get('connection'), 'close');
  client.socket.destroy();
  assert.equal(await stopped, true);
});

/** Connections of one's own server, whose requests are answered by `respond`. */
async function own(timeouts: [headers: number, keepAlive: number], respond: (transaction: Transaction) => void) {
  const [headersTimeout, keepAliveTimeout] = timeouts;
  const takeOver = () => assert.fail('the request was plain');
  const owner = { headersTimeout, keepAliveTimeout, respond, takeOver };
  const listening = createServer({ allowHalfOpen: true }, (socket) => new PlainConnection(socket, owner)).listen(
    0,
    '127.0.0.1',
  );
  await once(listening, 'listening');
  const connections = () => new Promise<number>((done) => listening.getConnections((_, count) => done(count)));
  return { port: (listening.address() as AddressInfo).port, close: () => listening.close(), connections };
}

const reply = { body: '{}', status: 200, requestId: 'r', headers: undefined, last: false };

test('who does not take its answers is read no further, and loses none', async () => {
  const body = 'a'.repeat(1024 * 1024);
  const most = 64;
  let answers = 0;
  const { port, close } = await own([60_000, 60_000], (transaction) => {
    answers += 1;
    transaction.send({ ...reply, body });
  });
  const client = new Client(port);
  client.socket.pause();
  let sent = 0;
  for (; sent === answers && sent < most; sent += 1) {
    client.write(plus(sent));
    await eventually(async () => answers > sent, 0.3).catch(() => undefined);
  }
  assert.ok(answers < most, `all ${answers} were answered into memory`);
  client.socket.resume();
  for (let came = 0; came < sent; came += 1) assert.equal((await client.response()).body.length, body.length);
  client.socket.destroy();
  close();
});

test('after its last answer a connection is over, whatever its client still sends', async () => {
  let answers = 0;
  const { port, close, connections } = await own([60_000, 60_000], (transaction) => {
    answers += 1;
    transaction.send({ ...reply, last: true });
  });
  const client = new Client(port, true);
  client.write(plus(1));
  assert.equal((await client.response()).headers.get('connection'), 'close');
  client.write(plus(2));
  await eventually(async () => (await connections()) === 0, 5);
  assert.equal(answers, 1);
  client.socket.destroy();
  close();
});

test('a silent connection ends: soon without a request, later between two, never while one is under way', async () => {
  const keepAliveTimeout = 240;
  let answer: (() => void) | undefined;
  const { port, close } = await own([60, keepAliveTimeout], (transaction) => {
    answer = () => transaction.send(reply);
  });
  const silent = new Client(port);
  const asking = new Client(port);
  asking.write(plus(1));
  await eventually(async () => silent.ended, 5);
  await sleep(1_000 + 2 * keepAliveTimeout);
  assert.equal(asking.ended, false);
  answer!();
  assert.equal((await asking.response()).body, '{}');
  // A client that uses its time to the end is not cut off.
  await sleep(keepAliveTimeout + 200);
  assert.equal(asking.ended, false);
  await eventually(async () => asking.ended, 5);
  close();
});
