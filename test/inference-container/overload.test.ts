import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answer,
  call,
  eventually,
  index,
  infer,
  metric,
  occupy,
  refused,
  type Served,
  serve,
  startProcess,
  turnsASecond,
  useServer,
  writeModel,
} from './fixture.ts';
import * as models from './models.ts';

/** More than the server can do, clients that leave, workers that die, and its own end. */
const PLACES = 8;
/** Turns of the slow model in a second, on this machine, about. */
let second = 0;
const server = useServer(
  async (folder) => {
    await writeModel(folder, 'slow', '1', models.slow());
    await writeModel(folder, 'plus', '1', models.plus(1));
    await writeModel(folder, 'moody', '1', models.moody());
    await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  },
  {
    settings: { QUEUE_REQUESTS: String(PLACES), SHUTDOWN_SECONDS: '2' },
    started: async (it) => {
      second = await turnsASecond(it);
    },
  },
);
const x = (...data: number[]) => [{ name: 'x', datatype: 'INT64', shape: [data.length], data }];
const rowsRun = (model: string) => metric(server.it, 'maru_inference_batch_rows_sum', { model });
const waiting = (model: string) => metric(server.it, 'maru_inference_queue_requests', { model });

/** Keeps the one worker of a server busy for about so many seconds; the batch at hand is taken too. */
const busy = (seconds: number, at: Served = server.it) => occupy(at, second * seconds);

test('a full queue answers 503 with Retry-After, and those in it are answered', async () => {
  const { ended } = await busy(1);
  const answers = await Promise.all(
    Array.from({ length: PLACES + 4 }, (_, value) => infer(server.it, 'plus', x(value))),
  );
  const turnedAway = answers.filter(({ status }) => status === 503);
  assert.equal(turnedAway.length, 4);
  for (const answer of turnedAway) {
    refused(answer, 503, /plus/);
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  }
  for (const [value, { status, body }] of answers.entries())
    if (status !== 503) assert.deepEqual(body.outputs[0].data, [value + 1]);
  await ended;
  assert.equal((await infer(server.it, 'plus', x(1))).status, 200);
  assert.equal(await metric(server.it, 'maru_inference_requests_total', { model: 'plus', code: '503' }), 4);
});

test('the queue of one model is not the queue of another', async () => {
  const { ended } = await busy(1);
  const full = Promise.all(Array.from({ length: PLACES }, (_, value) => infer(server.it, 'plus', x(value))));
  await eventually(async () => (await waiting('plus')) === PLACES);
  const text = await call(server.it, 'POST', '/v1/models/text:predict', { instances: ['hello'] });
  assert.equal(text.status, 200, text.text);
  await Promise.all([full, ended]);
});

test('requests whose clients have left are dropped, wherever they stand in the queue', async () => {
  const before = await rowsRun('plus');
  const { ended } = await busy(1.5);
  const first = infer(server.it, 'plus', x(1));
  await eventually(async () => (await waiting('plus')) === 1);
  const leaving = new AbortController();
  const gone = Array.from({ length: 5 }, () => infer(server.it, 'plus', x(9), {}, leaving.signal).catch(() => 'gone'));
  await eventually(async () => (await waiting('plus')) === 6);
  const last = infer(server.it, 'plus', x(2));
  await eventually(async () => (await waiting('plus')) === 7);
  leaving.abort();
  assert.deepEqual(await Promise.all(gone), Array(5).fill('gone'));
  for (const { status } of [await first, await last]) assert.equal(status, 200);
  await ended;
  assert.equal((await rowsRun('plus')) - before, 2);
});

test('clients that have left leave their places to others', async () => {
  const { ended } = await busy(1.5);
  const leaving = new AbortController();
  const gone = Array.from({ length: PLACES }, () =>
    infer(server.it, 'plus', x(9), {}, leaving.signal).catch(() => 'gone'),
  );
  await eventually(async () => (await waiting('plus')) === PLACES);
  leaving.abort();
  await Promise.all(gone);
  await sleep(50);
  const answer = await infer(server.it, 'plus', x(1));
  assert.equal(answer.status, 200, answer.text);
  await ended;
});

test('a request whose time is over is told so in time, and does not run', async () => {
  const before = await rowsRun('plus');
  const order: string[] = [];
  const { ended } = await busy(1.5);
  const all = ended.then(() => order.push('slow'));
  const late = await infer(server.it, 'plus', x(1), { parameters: { timeout: 20_000 } });
  order.push('late');
  refused(late, 503);
  await all;
  assert.equal((await rowsRun('plus')) - before, 0);
  assert.deepEqual(order, ['late', 'slow']);
});

test('a request whose time is over is told so in time also when its worker has it at hand', async () => {
  const order: string[] = [];
  const slow = infer(server.it, 'slow', x(second)).then(() => order.push('slow'));
  await sleep(50);
  const late = await infer(server.it, 'plus', x(1), { parameters: { timeout: 20_000 } });
  order.push('late');
  refused(late, 503);
  await slow;
  assert.deepEqual(order, ['late', 'slow']);
});

test('health, metrics and the index answer while a model runs that takes a second', async () => {
  let running = true;
  const slow = infer(server.it, 'slow', x(second)).finally(() => (running = false));
  await sleep(50);
  let rounds = 0;
  while (running && rounds < 20) {
    for (const path of ['/v2/health/live', '/v2/health/ready', '/healthcheck', '/metrics', '/v2/models/slow'])
      assert.equal((await call(server.it, 'GET', path)).status, 200);
    await index(server.it);
    rounds += 1;
  }
  assert.ok(rounds >= 3, `${rounds} rounds in a second`);
  assert.equal((await slow).status, 200);
});

test('with two workers a quick model does not wait for a slow one', async () => {
  const pair = await serve(server.it.folder, { workers: 2 });
  try {
    const order: string[] = [];
    const slow = infer(pair, 'slow', x(second)).then(({ status }) => order.push(`slow ${status}`));
    await sleep(50);
    for (let value = 0; value < 10; value += 1) assert.equal((await infer(pair, 'plus', x(value))).status, 200);
    order.push('quick');
    await slow;
    assert.deepEqual(order, ['quick', 'slow 200']);
  } finally {
    await pair.stop();
  }
});

test('stop() finishes what is in flight and in the queue, and takes nothing new', async () => {
  const ending = await serve(server.it.folder);
  const { ended } = await busy(1, ending);
  const queued = Promise.all(Array.from({ length: 5 }, (_, value) => infer(ending, 'plus', x(value))));
  await eventually(async () => (await metric(ending, 'maru_inference_queue_requests', { model: 'plus' })) === 5);
  const stopped = ending.stop();
  await sleep(20);
  await assert.rejects(
    once(request({ port: ending.port, host: '127.0.0.1', path: '/v2', agent: false }).end(), 'response'),
  );
  await ended;
  for (const { status } of await queued) assert.equal(status, 200);
  assert.equal(await stopped, true);
});

test('stop() waits for no client that only keeps its connection', async () => {
  const ending = await serve(server.it.folder);
  const agent = new Agent({ keepAlive: true });
  const [idle] = await once(request({ port: ending.port, host: '127.0.0.1', path: '/v2', agent }).end(), 'response');
  idle.resume();
  await once(idle, 'end');
  assert.equal(await ending.stop(), true);
  agent.destroy();
});

test('stop() waits for no connection that never asked anything', async () => {
  const ending = await serve(server.it.folder, { settings: { SHUTDOWN_SECONDS: '3' } });
  const socket = connect(ending.port, '127.0.0.1');
  await once(socket, 'connect');
  await sleep(50);
  assert.equal(await ending.stop(), true);
  socket.destroy();
});

for (const way of ['exit now', 'throw now'])
  test(`a worker that dies (${way}) takes its requests with it, as 503, and is replaced`, async () => {
    const script = new URL('./crashing-worker.ts', import.meta.url);
    const pair = await serve(server.it.folder, { workers: 2, script });
    try {
      const ask = (text: string) => call(pair, 'POST', '/v1/models/text:predict', { instances: [text] });
      for (let round = 0; round < 2; round += 1) {
        // On one worker, so that the other gets what comes next.
        const slow = infer(pair, 'slow', x(Math.ceil(second / 3)));
        await sleep(50);
        const crashed = await ask(way);
        refused(crashed, 503);
        assert.match(crashed.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
        const next = await ask('hello');
        assert.equal(next.status, 200, next.text);
        assert.equal((await slow).status, 200);
      }
      const after = await Promise.all(Array.from({ length: 30 }, () => ask('bye')));
      for (const { status, text } of after) assert.equal(status, 200, text);
      for (let value = 0; value < 20; value += 1) assert.equal((await infer(pair, 'plus', x(value))).status, 200);
    } finally {
      await pair.stop();
    }
  });

test('a worker that dies while it has nothing to do is replaced, and the only one at that', async () => {
  const lone = await serve(server.it.folder, { script: new URL('./crashing-worker.ts', import.meta.url) });
  try {
    const ask = (text: string) => call(lone, 'POST', '/v1/models/text:predict', { instances: [text] });
    assert.equal((await ask('exit soon')).status, 200);
    await sleep(200);
    assert.equal((await ask('hello')).status, 200);
    assert.equal((await call(lone, 'POST', '/v2/repository/models/plus/unload')).status, 200);
    assert.equal((await call(lone, 'POST', '/v2/repository/models/plus/load')).status, 200);
    assert.equal((await infer(lone, 'plus', x(1))).status, 200);
  } finally {
    await lone.stop();
  }
});

test('a request id is taken over when it is well formed, and made when it is not', async () => {
  const id = async (given?: string) => {
    const { headers } = await call(
      server.it,
      'GET',
      '/v2',
      undefined,
      given === undefined ? {} : { 'x-request-id': given },
    );
    return headers.get('x-request-id') ?? '';
  };
  assert.equal(await id('order-7:a.b_c'), 'order-7:a.b_c');
  const made = [await id(), await id('a b'), await id('x'.repeat(65)), await id('{"a":1}'), await id('é')];
  for (const one of made) assert.match(one, /^[\w-]{8,64}$/);
  assert.equal(new Set(made).size, made.length);
  const { headers } = await call(server.it, 'GET', '/v2/nothing', undefined, { 'x-request-id': 'of-an-error' });
  assert.equal(headers.get('x-request-id'), 'of-an-error');
});

/** Sends what takes about so many seconds, and waits until it runs. */
async function running(at: { url: string }, seconds: number): Promise<{ answer: Promise<Answer | 'cut off'> }> {
  const answer = infer(at, 'slow', x(Math.ceil(second * seconds))).catch(() => 'cut off' as const);
  await eventually(async () => (await metric(at, 'maru_inference_running_requests', { model: 'slow' })) === 1);
  return { answer };
}

test('SIGTERM: what is in flight is finished, then the process ends with 0', async () => {
  const { url, child, exited } = await startProcess(server.it.folder);
  try {
    const { answer } = await running({ url }, 1);
    child.kill('SIGTERM');
    assert.equal(((await answer) as Answer).status, 200);
    assert.deepEqual(await exited, [0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});

test('SIGTERM: what takes longer than it may is cut off, and the process ends in time, not with 0 and not by a fault', async () => {
  const { url, child, exited } = await startProcess(server.it.folder, { SHUTDOWN_SECONDS: '1' });
  try {
    const { answer } = await running({ url }, 4);
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    // A worker in the middle of native code can't be ended in peace: killing oneself is allowed, aborting is not.
    assert.ok(code === 1 || signal === 'SIGKILL', `${code} ${signal}`);
    assert.equal(await answer, 'cut off');
  } finally {
    child.kill('SIGKILL');
  }
});

test('logs are JSON, have request ids, and say nothing of what users say', async () => {
  const { url, child, exited, lines } = await startProcess(server.it.folder, { LOG_LEVEL: 'debug' });
  try {
    const secret = 'my card is 4000 1234 5678 9010';
    const say = (data: unknown) => [{ name: 'text', datatype: 'BYTES', shape: [1], data }];
    await infer({ url }, 'text', say([secret]), { id: secret });
    await infer({ url }, 'text', say([[[secret]]]));
    await infer({ url }, 'text', [{ name: secret, datatype: secret, shape: [1], data: [secret] }]);
    await call({ url }, 'POST', '/v1/models/text:predict', { instances: [secret, 7] });
    await call({ url }, 'POST', '/score', { model_name: 'text', data: [secret] });
    await call({ url }, 'POST', '/v1/models/text:predict', `{"instances": ["${secret}"`);
    refused(await infer({ url }, 'moody', x(987_654_321_098)), 400);
    const late = { 'x-request-id': 'too-late' };
    const inputs = say([secret]);
    const answer = await call(
      { url },
      'POST',
      '/v2/models/text/infer',
      { inputs, parameters: { timeout: 1e-6 } },
      late,
    );
    assert.equal(answer.status, 503, answer.text);
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    const entries = lines().map((line) => JSON.parse(line) as { requestId?: string });
    assert.ok(entries.some(({ requestId }) => requestId === 'too-late'));
    // A short number could be part of a time or a process id.
    assert.doesNotMatch(lines().join(), /card|987654321098/);
  } finally {
    child.kill('SIGKILL');
  }
});
