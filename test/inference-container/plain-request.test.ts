import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { readPlain } from '../../inference-container/http/plain-request.ts';

const runs = Number(process.env.FUZZ_RUNS ?? 1_500);
const seed = Number(process.env.FUZZ_SEED ?? 7);

const read = (text: string) => readPlain(Buffer.from(text, 'latin1'));
const post = (headers: string[], body = '{}') =>
  ['POST /v2/models/m/infer HTTP/1.1', ...headers, '', body].join('\r\n');

test('a request that is whole is read as it came', () => {
  const found = read(
    post(['Host: a:80', 'Content-Length: 2', 'X-Request-Id:  r-1\t ', 'connection: Keep-Alive', 'e:']),
  );
  assert.ok(found);
  assert.equal(found.head.method, 'POST');
  assert.equal(found.head.url, '/v2/models/m/infer');
  assert.deepEqual(found.head.rawHeaders, [
    ...['Host', 'a:80', 'Content-Length', '2', 'X-Request-Id', 'r-1'],
    ...['connection', 'Keep-Alive', 'e', ''],
  ]);
  assert.equal(found.body.toString(), '{}');
  assert.equal(read('GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n')?.body.length, 0);
});

const host = 'Host: a';
const two = 'Content-Length: 2';
for (const [what, text] of Object.entries({
  'a body that is not whole': post([host, 'Content-Length: 3']),
  'something behind the body': post([host, 'Content-Length: 1']),
  'a second request behind the first': `${post([host, two])}${post([host, two])}`,
  'a head that is not whole': 'GET / HTTP/1.1\r\nHost: a\r\n',
  'no length': post([host]),
  'two lengths': post([host, two, two]),
  'a length with a sign': post([host, 'Content-Length: +2']),
  'a length that is not decimal': post([host, 'Content-Length: 0x2']),
  'a list of lengths': post([host, 'Content-Length: 2, 2']),
  chunks: post([host, 'Transfer-Encoding: chunked']),
  'chunks and a length': post([host, two, 'transfer-encoding : chunked']),
  'no host': post([two]),
  'two hosts': post([host, 'host: b', two]),
  'a connection that ends': post([host, two, 'Connection: close']),
  'a connection that changes': post([host, two, 'Connection: Upgrade', 'Upgrade: h2c']),
  'an expectation': post([host, two, 'Expect: 100-continue']),
  trailers: post([host, two, 'Trailer: x']),
  'HTTP/1.0': post([host, two]).replace('1.1', '1.0'),
  'another method': post([host, two]).replace('POST', 'PUT'),
  'a whole address': post([host, two]).replace('/v2', 'http://a/v2'),
  'a query': post([host, two]).replace('infer', 'infer?a=b'),
  'a folded header': post([host, two, 'X-A: b', ' c']),
  'lines that end in LF': post([host, two]).replaceAll('\r\n', '\n'),
  'a bare LF in a value': post([host, two, 'X-A: b\nTransfer-Encoding: chunked']),
  'a bare CR in a value': post([host, two, 'X-A: b\rc']),
  'blanks before a byte beyond ASCII': post([host, two, `X-A:${' '.repeat(3_900)}\xe9`]),
  'a proxy that ends': post([host, two, 'Proxy-Connection: close']),
  'a zero byte': post([host, two, 'X-A: b\0c']),
  'a byte beyond ASCII': post([host, two, 'X-A: \xe9']),
  'a space before the colon': post([host, two, 'X-A : b']),
  'a header without a name': post([host, two, ': b']),
  'a GET with a body': 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}',
  'an empty line in front': `\r\n${post([host, two])}`,
  'a head of more than 4 KiB': post([host, two, `X-A: ${'a'.repeat(5_000)}`]),
}))
  test(`not plain: ${what}`, () => assert.equal(read(text), null));

/** What Node's own HTTP makes of a piece: every request in it, and whether it refused something. */
async function node(piece: Buffer) {
  const requests: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders'>[] = [];
  const bodies: Buffer[] = [];
  let refusals = 0;
  const server = createServer(async (request, response) => {
    const { method, url, rawHeaders } = request;
    requests.push({ method, url, rawHeaders });
    const chunks = await request.toArray().catch(() => []);
    bodies.push(Buffer.concat(chunks));
    response.end();
  });
  server.on('clientError', () => {
    refusals += 1;
  });
  const [client, socket] = duplexPair();
  client.resume();
  server.emit('connection', socket);
  client.write(piece);
  // All is in memory: a few turns are enough for whatever there is.
  for (let turn = 0; turn < 6; turn += 1) await new Promise((next) => setImmediate(next));
  socket.destroy();
  client.destroy();
  return { requests, bodies, refusals };
}

const line = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('Host: a', 'content-length: 2', 'Accept: */*', 'x-request-id: 1') },
  fc.constantFrom(
    ...['Content-Length: 4', 'content-length:2 ', 'CONTENT-LENGTH: 02', 'content-length: 2,2', 'Content-Length: -2'],
    ...[
      'Transfer-Encoding: chunked',
      'transfer-encoding: gzip',
      'Connection: close',
      'Connection: keep-alive',
      'TE: x',
    ],
    ...[
      'Connection: keep-alive, x',
      'Expect: 100-continue',
      'Upgrade: h2c',
      'Host:',
      'Host: ',
      'X: \t',
      'X-\t: 1',
      ' x: 1',
    ],
  ),
  fc.tuple(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 })).map(([name, value]) => `${name}: ${value}`),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const request = fc
  .record({
    start: fc.oneof(
      { weight: 6, arbitrary: fc.constant('POST /v2/models/m/infer HTTP/1.1') },
      fc.constantFrom(
        'GET / HTTP/1.1',
        'POST // HTTP/1.1',
        'POST /a%zz HTTP/1.1',
        'post / HTTP/1.1',
        'POST  / HTTP/1.1',
      ),
      fc.string({ maxLength: 12 }).map((path) => `POST /${path} HTTP/1.1`),
    ),
    lines: fc.array(line, { maxLength: 5 }),
    length: fc.option(fc.constant('content-length: 2')),
    end: fc.oneof({ weight: 12, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r', '\r\r\n', '\r\n ')),
    body: fc.oneof({ weight: 4, arbitrary: fc.constant('{}') }, fc.string({ maxLength: 6 })),
  })
  .map(({ start, lines, length, end, body }) =>
    Buffer.from([start, 'host: b', ...lines, ...(length ? [length] : []), '', body].join(end), 'latin1'),
  );

test("what is read as plain is what Node's own HTTP reads: one request, and nothing else", async () => {
  let plain = 0;
  await fc.assert(
    fc.asyncProperty(request, async (piece) => {
      const found = readPlain(piece);
      if (!found) return;
      plain += 1;
      const { requests, bodies, refusals } = await node(piece);
      assert.equal(refusals, 0);
      assert.deepEqual(requests, [found.head]);
      assert.deepEqual(bodies, [Buffer.from(found.body)]);
    }),
    { numRuns: runs, seed },
  );
  assert.ok(plain > runs / 20, `only ${plain} of ${runs} were plain`);
});
