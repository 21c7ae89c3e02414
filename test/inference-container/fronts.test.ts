import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { FromFront, Lease, ToFront } from '../../inference-container/http/fronts.ts';
import { manifest } from '../../inference-container/models/manifest.ts';
import { startServer } from '../../inference-container/server.ts';
import { parseSettings } from '../../inference-container/settings.ts';
import { freePort } from '../../scripts/local/ports.ts';
import {
  call,
  eventually,
  frontScript,
  infer,
  type Served,
  serve,
  startProcess,
  workerScript,
  writeModel,
} from './fixture.ts';
import * as models from './models.ts';

/** Several threads that serve HTTP on one port: whichever the system gives a connection to, the client must not notice. */
const CONNECTIONS = 24;
let folder = '';
let server: Served;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-fronts-'));
  await writeModel(folder, 'plus', '1', models.plus(1));
  await writeModel(folder, 'steady', '1', models.plus(10));
  server = await serve(folder, { fronts: 2 });
});
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Answered {
  status: number;
  thread: string;
  text: string;
}

/** Connections that are kept, each to whatever thread the system chose. */
function connections(
  url: string,
): { ask(method: string, path: string, body?: string): Promise<Answered>; end(): void }[] {
  return Array.from({ length: CONNECTIONS }, () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    return {
      end: () => agent.destroy(),
      async ask(method, path, body) {
        const sent = request(`${url}${path}`, { method, agent });
        sent.end(body);
        const [response] = (await once(sent, 'response')) as [IncomingMessage];
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        const thread = String(response.headers['x-request-id']).slice(0, 36);
        return { status: response.statusCode!, thread, text };
      },
    };
  });
}

const three = JSON.stringify({ inputs: [{ name: 'x', datatype: 'INT64', shape: [3], data: [1, 2, 3] }] });
const long = JSON.stringify({
  inputs: [{ name: 'x', datatype: 'INT64', shape: [200_000], data: Array.from({ length: 200_000 }, (_, at) => at) }],
});
const first = (text: string): number => JSON.parse(text).outputs[0].data[0];

test('every thread gives the same answer, whether it runs the model itself or hands the request on', async () => {
  const all = connections(server.url);
  // What is quick becomes known as quick, and is lent.
  for (let time = 0; time < 40; time += 1)
    await Promise.all(all.map(({ ask }) => ask('POST', '/v2/models/steady/infer', three)));
  const routes: [method: string, path: string, body?: string][] = [
    ['GET', '/v2'],
    ['GET', '/v2/health/ready'],
    ['GET', '/healthcheck'],
    ['GET', '/v2/models/steady'],
    ['GET', '/v1/models'],
    ['POST', '/v2/repository/index'],
    ['POST', '/v2/repository/index', ' '.repeat(70_000)],
    ['POST', '/v2/models/steady/infer', three],
    ['POST', '/v2/models/steady/versions/1/infer', three],
    ['POST', '/v2/models/steady/versions/9/infer', three],
    ['POST', '/v2/models/steady/infer', '{"inputs": []}'],
    ['POST', '/v2/models/steady/infer', 'no JSON'],
    ['POST', '/v2/models/steady/infer', long],
    ['POST', '/v1/models/steady:predict', '{"instances": [4, 5]}'],
    ['POST', '/score', '{"model_name": "steady", "data": [4]}'],
    ['POST', '/v2/models/nothing/infer', three],
    ['GET', '/v2/models/steady/infer'],
    ['DELETE', '/nothing'],
  ];
  for (const [method, path, body] of routes) {
    const answers = await Promise.all(all.map(({ ask }) => ask(method, path, body)));
    const shown = new Set(answers.map(({ status, text }) => `${status} ${text.slice(0, 500)}`));
    assert.equal(shown.size, 1, `${method} ${path}: ${[...shown].join('\n')}`);
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    assert.equal(new Set(answers.map(({ thread }) => thread)).size, 3, 'each thread has some of the connections');
  }
  for (const { end } of all) end();
});

test('/metrics is the sum of the threads: each request once, whoever ran it', async () => {
  const count = async () => {
    const { text } = await call(server, 'GET', '/metrics');
    return Number(/maru_inference_requests_total\{model="steady",version="1",code="200"\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  const all = connections(server.url);
  const before = await count();
  for (let time = 0; time < 25; time += 1)
    await Promise.all(all.map(({ ask }) => ask('POST', '/v2/models/steady/infer', three)));
  assert.equal((await count()) - before, 25 * CONNECTIONS);
  const { text } = await call(server, 'GET', '/metrics');
  assert.match(text, /^maru_models_loaded\{model="steady",version="1"\} 1$/m);
  assert.match(text, /^process_resident_memory_bytes \d+$/m);
  for (const { end } of all) end();
});

test('after a load every thread answers with the new version, after an unload none answers', async () => {
  const all = connections(server.url);
  let over = false;
  /** What may be answered now; a request that was sent before a change may get either. */
  let allowed: (number | undefined)[] = [2];
  const hammer = all.slice(0, CONNECTIONS / 2).map(async ({ ask }) => {
    let asked = 0;
    while (!over) {
      const before = allowed;
      const { status, text } = await ask('POST', '/v2/models/plus/infer', three);
      const got = status === 200 ? first(text) : undefined;
      // 503: it is being loaded.
      assert.ok([200, 404, 503].includes(status), text);
      assert.ok(before.includes(got) || allowed.includes(got), `${got} instead of ${before} or ${allowed}`);
      asked += 1;
    }
    return asked;
  });
  const everybody = async () =>
    (await Promise.all(all.slice(CONNECTIONS / 2).map(({ ask }) => ask('POST', '/v2/models/plus/infer', three)))).map(
      ({ status, text }) => (status === 200 ? first(text) : undefined),
    );
  const others = CONNECTIONS / 2;
  for (let version = 2; version <= 6; version += 1) {
    await sleep(150);
    assert.match((await call(server, 'GET', '/metrics')).text, /^maru_inference_queue_requests\{model="plus"/m);
    allowed = [version, version + 1];
    await writeModel(folder, 'plus', String(version), models.plus(version));
    assert.equal((await call(server, 'POST', '/v2/repository/models/plus/load')).status, 200);
    allowed = [version + 1];
    assert.deepEqual(await everybody(), Array(others).fill(version + 1));
    allowed = [version + 1, undefined];
    assert.equal((await call(server, 'POST', '/v2/repository/models/plus/unload')).status, 200);
    allowed = [undefined];
    assert.deepEqual(await everybody(), Array(others).fill(undefined));
    allowed = [undefined, version + 1];
    assert.equal((await call(server, 'POST', '/v2/repository/models/plus/load')).status, 200);
    allowed = [version + 1];
  }
  allowed = [7, undefined];
  assert.equal((await call(server, 'POST', '/v2/repository/models/plus/unload')).status, 200);
  over = true;
  const asked = await Promise.all(hammer);
  const { text } = await call(server, 'GET', '/metrics');
  assert.doesNotMatch(text, /maru_inference_(queue|running)_requests\{model="plus"/, 'nor is it in the gauges');
  for (const times of asked) assert.ok(times > 10);
  for (const { end } of all) end();
});

test('a front by itself: hands on until it is lent the model, and again when that is taken back', async (context) => {
  const settings = parseSettings({ HOST: '127.0.0.1', LOG_LEVEL: 'silent' });
  const port = await freePort();
  const front = new Worker(frontScript, { workerData: { settings, port } });
  context.after(() => front.terminate());
  const post = (message: ToFront) => front.postMessage(message);
  const heard: FromFront[] = [];
  const lease: Lease = {
    name: 'steady',
    asked: undefined,
    target: { key: 'steady/1', name: 'steady', version: '1', maxRows: 64, maxDelayMs: 0, batchable: true },
    package: {
      folder: join(folder, 'steady/1'),
      manifest: manifest.parse({ name: 'steady', version: '1' }),
      stamp: null,
      sums: null,
      copy: null,
    },
    limit: 10_000,
  };
  let lend: Lease | null = null;
  let silent = false;
  front.on('message', (message: FromFront) => {
    heard.push(message);
    if (message.kind === 'request' && !silent)
      post({ kind: 'answer', id: message.id, answer: { body: '"from main"' }, model: undefined, lease: lend });
  });
  const it = { url: `http://127.0.0.1:${port}` };
  const ask = () => infer(it, 'steady', [{ name: 'x', datatype: 'INT64', shape: [1], data: [1] }]);
  await eventually(() => call(it, 'GET', '/v2').catch(() => null));
  const handed = () => heard.filter(({ kind }) => kind === 'request').length;
  assert.equal((await ask()).body, 'from main');
  lend = lease;
  await ask();
  const answer = await eventually(async () => {
    const { body } = await ask();
    return body !== 'from main' && body;
  });
  assert.deepEqual(answer.outputs[0].data, [11]);
  const soFar = handed();
  for (let time = 0; time < 50; time += 1) await ask();
  // One that took too long by chance is handed on once.
  assert.ok(handed() - soFar <= 10, `it asked for ${handed() - soFar} of 50`);
  lend = null;
  post({ kind: 'revoke', id: 7, name: 'steady' });
  await eventually(async () => heard.some((message) => message.kind === 'done' && message.id === 7));
  assert.equal((await ask()).body, 'from main');

  // A client that goes takes its request with it.
  silent = true;
  const gone = new AbortController();
  const before = handed();
  const asked = call(it, 'POST', '/v2/models/steady/infer', '{}', {}, gone.signal);
  const last = await eventually(async () => handed() > before && heard.findLast(({ kind }) => kind === 'request'));
  gone.abort();
  await assert.rejects(asked);
  await eventually(async () =>
    heard.some((message) => message.kind === 'gone' && 'id' in last && message.id === last.id),
  );
  post({ kind: 'refuse', id: 6 });
  post({ kind: 'stop', id: 8 });
  await eventually(async () =>
    heard.some((message) => message.kind === 'stopped' && message.id === 8 && message.clean),
  );
  await front.terminate();
});

test('a front that crashes is replaced, and takes nothing with it that others answer', async () => {
  const settings = parseSettings({ PORT: '0', HOST: '127.0.0.1', MODEL_DIR: folder, LOG_LEVEL: 'silent' });
  const script = new URL('data:text/javascript,setTimeout(() => { throw new Error("broken") }, 50)');
  const running = await startServer(settings, { count: 1, script: workerScript }, { count: 1, script });
  const it = { url: `http://127.0.0.1:${running.port}` };
  await eventually(async () => (await call(it, 'GET', '/v2/health/ready')).status === 200);
  for (let time = 0; time < 15; time += 1) {
    await sleep(100);
    assert.equal((await infer(it, 'steady', JSON.parse(three).inputs)).status, 200);
    assert.equal((await call(it, 'GET', '/metrics')).status, 200);
  }
  assert.ok(await running.stop());
});

test('a port that another server has is not shared with it', async () => {
  const one = await startProcess(folder, { HTTP_THREADS: '2' });
  await assert.rejects(
    startProcess(folder, { HTTP_THREADS: '2', PORT: String(one.port) }),
    /ended with 1.*EADDRINUSE/s,
  );
  one.child.kill('SIGTERM');
  assert.deepEqual(await one.exited, [0, null]);
});
