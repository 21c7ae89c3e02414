import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, test } from 'node:test';
import { call, index, infer, refused, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** What no client should send: each a clear 4xx, and the server unharmed. */
const server = useServer(
  async (folder) => {
    await writeModel(folder, 'plus', '1', models.plus(1));
    await writeModel(folder, 'embedding', '1', models.embedding());
    await writeModel(folder, 'from-the-end', '1', models.lookupFromTheEnd());
    await writeModel(folder, 'moody', '1', models.moody());
    await writeModel(folder, 'strings', '1', models.identity('BYTES'));
    await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  },
  { fronts: 1 },
);

afterEach(async () => {
  const { status, body } = await infer(server.it, 'plus', [{ name: 'x', datatype: 'INT64', shape: [1], data: [1] }]);
  assert.equal(status, 200);
  assert.deepEqual(body.outputs[0].data, [2]);
  assert.ok((await index(server.it)).every(({ state }) => state === 'READY'));
});

const paths = ['/v2/models/plus/infer', '/v1/models/plus:predict', '/v1/models/text:predict', '/score'];

/** Sends a body of so many MB in pieces and takes the answer whenever it comes. Fails when the connection breaks before it. */
async function upload(path: string, megabytes: number, chunked: boolean): Promise<{ status: number; text: string }> {
  const length = megabytes * 1024 * 1024;
  const sending = request(`${server.it.url}${path}`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', ...(chunked ? {} : { 'content-length': length }) },
  });
  return await new Promise((resolve, reject) => {
    let answered = false;
    let left = megabytes;
    const piece = Buffer.alloc(1024 * 1024, ' ');
    const send = () => {
      while (left > 0 && !sending.destroyed) {
        left -= 1;
        if (!sending.write(piece)) {
          sending.once('drain', send);
          return;
        }
      }
      sending.end();
    };
    sending.on('error', (error) => answered || reject(error));
    sending.on('response', (response) => {
      answered = true;
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('error', reject).on('end', () => {
        resolve({ status: response.statusCode ?? 0, text });
        sending.destroy();
      });
    });
    send();
  });
}

for (const chunked of [false, true])
  test(`a body of 100 MB is a 413 that reaches its sender, ${chunked ? 'in chunks' : 'with its length said'}`, async () => {
    for (const path of paths) {
      const { status, text } = await upload(path, 100, chunked);
      assert.equal(status, 413, text);
      assert.equal(typeof JSON.parse(text).error, 'string');
    }
  });

test('a refusal reaches a client that is still sending', async () => {
  for (const [path, status] of [
    ['/v2/models/nobody/infer', 404],
    ['/v1/models/nobody:predict', 404],
    ['/v2/health/live', 405],
    ['/nowhere', 404],
  ] as const)
    assert.equal((await upload(path, 8, false)).status, status);
});

test('a body of the right size that holds nothing is a 400', async () => {
  assert.equal((await upload('/v2/models/plus/infer', 16, false)).status, 400);
});

test('JSON 10,000 levels deep is a 400, wherever the depth is', async () => {
  const deep = `${'['.repeat(10_000)}1${']'.repeat(10_000)}`;
  const digits = `${'['.repeat(10_000)}12345678901234567890${']'.repeat(10_000)}`;
  const objects = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
  for (const value of [deep, digits, objects]) {
    for (const path of paths) refused(await call(server.it, 'POST', path, value), 400);
    const bodies: [string, string][] = [
      ['/v2/models/plus/infer', `{"inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":${value}}]}`],
      ['/v2/models/plus/infer', `{"inputs":[{"name":"x","datatype":"INT64","shape":${value},"data":[1]}]}`],
      ['/v2/models/plus/infer', `{"parameters":{"a":${value}},"inputs":[]}`],
      ['/v2/models/strings/infer', `{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":${value}}]}`],
      ['/v1/models/plus:predict', `{"instances":${value}}`],
      ['/v1/models/plus:predict', `{"instances":[{"x":${value}}]}`],
      ['/v1/models/text:predict', `{"instances":[${value}]}`],
      ['/score', `{"model_name":"text","data":[${value}]}`],
      ['/score', `{"model_name":${value},"data":[]}`],
    ];
    for (const [path, body] of bodies) refused(await call(server.it, 'POST', path, body), 400);
    const indexed = await call(server.it, 'POST', '/v2/repository/index', value);
    assert.ok(indexed.status < 500);
  }
});

test('a body that is not UTF-8 is a 400', async () => {
  const broken = [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xc0, 0xaf], [0xe2, 0x82]];
  for (const bytes of broken)
    for (const path of paths) {
      const body = Buffer.concat([Buffer.from('{"instances":["'), Uint8Array.from(bytes), Buffer.from('"]}')]);
      refused(await call(server.it, 'POST', path, body), 400, /UTF-8/);
    }
});

test('half a character, as an escape, is a 400', async () => {
  for (const half of ['\\ud800', '\\udc00', 'a\\ud83d']) {
    refused(await call(server.it, 'POST', '/v1/models/text:predict', `{"instances":["${half}"]}`), 400);
    const inputs = `{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["${half}"]}]}`;
    refused(await call(server.it, 'POST', '/v2/models/strings/infer', inputs), 400);
  }
});

test('ids below 0 and beyond the table are a 400 that says the bounds, before anything runs', async () => {
  const ask = (ids: (number | bigint)[]) =>
    call(
      server.it,
      'POST',
      '/v2/models/embedding/infer',
      `{"inputs":[{"name":"ids","datatype":"INT64","shape":[1,${ids.length}],"data":[${ids}]}]}`,
    );
  for (const ids of [[-1], [models.ROWS], [0, 1, -models.ROWS], [2 ** 31], [2n ** 63n - 1n], [-(2n ** 63n)]])
    refused(await ask(ids), 400, new RegExp(`ids.*${models.ROWS - 1}`));
  assert.equal((await ask([0, models.ROWS - 1])).status, 200);
  for (const id of [-1, models.ROWS])
    refused(await call(server.it, 'POST', '/v1/models/embedding:predict', { instances: [[id]] }), 400, /ids/);
});

test("a table whose axis is counted from the end has its bounds too, and its ids are the table's", async () => {
  const ask = (id: number) =>
    infer(server.it, 'from-the-end', [{ name: 'ids', datatype: 'INT64', shape: [1], data: [id] }]);
  const good = await ask(4);
  assert.equal(good.status, 200, good.text);
  assert.deepEqual(good.body.outputs[0].data, [8, 9]);
  refused(await ask(5), 400);
  refused(await ask(-6), 400);
});

test('what only the model can refuse is a 400 too', async () => {
  const x = [{ name: 'x', datatype: 'INT64', shape: [1], data: [10] }];
  refused(await infer(server.it, 'moody', x), 400, /model/);
});

test('a request of more rows than a task takes is a 400', async () => {
  const instances = Array.from({ length: 10_001 }, () => 'a');
  refused(await call(server.it, 'POST', '/v1/models/text:predict', { instances }), 400, /10,?000/);
});

test('a text of 20,001 characters is a 400, one of 20,000 is not', async () => {
  refused(
    await call(server.it, 'POST', '/v1/models/text:predict', { instances: ['a'.repeat(20_001)] }),
    400,
    /20,?000/,
  );
  const most = await call(server.it, 'POST', '/v1/models/text:predict', { instances: ['hello '.repeat(3_333)] });
  assert.equal(most.status, 200, most.text);
});

test('a thousand inputs and a thousand outputs are a 400', async () => {
  const x = { name: 'x', datatype: 'INT64', shape: [1], data: [1] };
  refused(
    await infer(
      server.it,
      'plus',
      Array.from({ length: 1_000 }, () => x),
    ),
    400,
  );
  const outputs = Array.from({ length: 1_000 }, (_, at) => ({ name: `y${at}` }));
  refused(await infer(server.it, 'plus', [x], { outputs }), 400);
});

test('what is not HTTP is a 400 or a closed door', async () => {
  const garbage = [
    'hello\r\n\r\n',
    'GET /v2 HTTP/9.9\r\n\r\n',
    `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET /v2 HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`,
    'POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
    'POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx',
    'POST /score HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  ];
  for (const text of garbage) {
    const socket = connect(server.it.port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1').on('data', (part) => (answer += part));
    socket.on('error', () => {});
    socket.write(text);
    await new Promise((closed) => socket.once('close', closed));
    assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/, text.slice(0, 60));
  }
});
