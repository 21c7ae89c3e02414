import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answer,
  call,
  eventually,
  infer,
  metric,
  readBinary,
  refused,
  type Served,
  serve,
  turns,
  turnsASecond,
  whileBusy,
  withBinary,
  writeModel,
} from './fixture.ts';
import * as models from './models.ts';

/** QUEUE_MEGABYTES is 1 here: what the bodies that wait may have, of all models together. */
const BIG = 400_000;
let folder = '';
let server: Served;
/** Turns of the slow model that keep the worker busy long enough. */
let long = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-bytes-'));
  for (const name of ['bytes', 'other', 'leaving']) await writeModel(folder, name, '1', models.identity('UINT8'));
  await writeModel(folder, 'slow', '1', models.slow());
  server = await serve(folder, { settings: { QUEUE_MEGABYTES: '1' } });
  long = (await turnsASecond(server)) / 2;
});

// Anew for each test: what has been quick often enough is run where HTTP is served, and waits for no worker.
beforeEach(async () => {
  for (const name of ['bytes', 'other'])
    for (const action of ['unload', 'load'])
      assert.equal((await call(server, 'POST', `/v2/repository/models/${name}/${action}`)).status, 200);
});

after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const waiting = (model: string) => metric(server, 'maru_inference_queue_requests', { model });

test('bodies that are still arriving have the same limit: one more is turned away, and let in when another is through', async () => {
  const arriving = (size: number) => {
    const sent = request(`${server.url}/v2/models/bytes/infer`, {
      method: 'POST',
      headers: { 'content-length': size },
    });
    const status = once(sent, 'response').then(([response]) => {
      response.resume();
      return response.statusCode as number;
    });
    return { sent, status };
  };
  const slow = arriving(900_000);
  slow.sent.write(Buffer.alloc(800_000, 32));
  // Also the socket's buffers hold some of it.
  await eventually(
    async () => (await call(server, 'POST', '/v2/models/nothing/infer', Buffer.alloc(700_000, 32))).status === 503,
  );
  slow.sent.end(Buffer.alloc(100_000, 32));
  assert.equal(await slow.status, 400, 'it is no JSON');
  assert.equal((await call(server, 'POST', '/v2/models/nothing/infer', Buffer.alloc(700_000, 32))).status, 404);
});

/** A request of so many bytes that wants them back. */
function echo(model: string, size: number, parameters: object = {}, signal?: AbortSignal): Promise<Answer> {
  const bytes = new Uint8Array(size).fill(7);
  const input = { name: 'x', datatype: 'UINT8', shape: [size], parameters: { binary_data_size: size } };
  const json = { inputs: [input], parameters: { binary_data_output: true, ...parameters } };
  const [body, headers] = withBinary(json, bytes);
  return call(server, 'POST', `/v2/models/${model}/infer`, body, headers, signal);
}

function answered(answer: Answer, size: number): void {
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  const { y } = readBinary(answer).parts;
  assert.equal(y!.length, size);
  assert.ok(y!.every((byte) => byte === 7));
}

function turnedAway(answer: Answer): void {
  refused(answer, 503, /busy/);
  assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
}

/** Two bodies wait, and no third would fit. Not the promises alone: those would be waited for. */
async function fill(model: string, parameters: object = {}, signal?: AbortSignal): Promise<{ answers: Pair }> {
  const answers = [0, 1].map(() => echo(model, BIG, parameters, signal).catch(() => null));
  await eventually(async () => (await waiting(model)) === 2, 2);
  return { answers: Promise.all(answers) };
}
type Pair = Promise<(Answer | null)[]>;

async function bothAnswered(answers: Pair): Promise<void> {
  for (const answer of await answers) answered(answer!, BIG);
}

test('bodies beyond it get 503 with Retry-After, smaller ones still fit, and those that wait are answered', async () => {
  for (let round = 0; round < 2; round += 1) {
    const { answers, small } = await whileBusy(server, long, async () => {
      const { answers } = await fill('bytes');
      turnedAway(await echo('bytes', BIG));
      turnedAway(await echo('other', BIG));
      const small = [echo('bytes', 10), echo('other', 1_000)] as const;
      await eventually(async () => (await waiting('other')) === 1, 2);
      assert.equal((await call(server, 'GET', '/v2/health/ready')).status, 200);
      return { answers, small };
    });
    await bothAnswered(answers);
    answered(await small[0], 10);
    answered(await small[1], 1_000);
  }
});

test('one body that is larger by itself is answered, when nothing waits', async () => {
  answered(await echo('bytes', 3_000_000), 3_000_000);
  // Large bodies have a worker of their own: another large one keeps it busy.
  const busy = infer(server, 'slow', turns(long), { parameters: { padding: 'x'.repeat(1_100_000) } });
  await eventually(async () => (await metric(server, 'maru_inference_running_requests', { model: 'slow' })) === 1, 2);
  const large = echo('bytes', 3_000_000);
  await eventually(async () => (await waiting('bytes')) === 1, 2);
  turnedAway(await echo('other', 10));
  assert.equal((await busy).status, 200);
  answered(await large, 3_000_000);
  answered(await echo('other', 10), 10);
});

test('answers give their bytes back', async () => {
  for (let round = 0; round < 10; round += 1) answered(await echo('bytes', 2 * BIG), 2 * BIG);
  for (const answer of await Promise.all([echo('bytes', BIG), echo('bytes', BIG)])) answered(answer, BIG);
});

test('clients that leave give their bytes back', async () => {
  const { answers } = await whileBusy(server, long, async () => {
    for (let round = 0; round < 3; round += 1) {
      const leaving = new AbortController();
      const gone = await fill('bytes', {}, leaving.signal);
      leaving.abort();
      assert.deepEqual(await gone.answers, [null, null]);
      await sleep(50);
    }
    return await fill('bytes');
  });
  await bothAnswered(answers);
});

test('they give them back to every model', async () => {
  const { answers } = await whileBusy(server, long, async () => {
    const leaving = new AbortController();
    const gone = await fill('bytes', {}, leaving.signal);
    leaving.abort();
    assert.deepEqual(await gone.answers, [null, null]);
    await sleep(50);
    return await fill('other');
  });
  await bothAnswered(answers);
});

test('requests whose time is over give their bytes back', async () => {
  const { answers } = await whileBusy(server, long, async () => {
    for (let round = 0; round < 3; round += 1)
      for (const late of await (await fill('bytes', { timeout: 150_000 })).answers) refused(late!, 503, /long/);
    return await fill('bytes');
  });
  await bothAnswered(answers);
});

test('requests whose time is over give their bytes back also when their model is unloaded before anybody looks', async () => {
  // While the first of the worker's two jobs runs: whatever it ends has the queues looked through.
  await whileBusy(server, long * 4, async () => {
    for (const late of await (await fill('leaving', { timeout: 150_000 })).answers) refused(late!, 503, /took/);
    // It ends when the worker is free, but begins, and forgets the queue, at once.
    void call(server, 'POST', '/v2/repository/models/leaving/unload');
    await eventually(async () => (await call(server, 'GET', '/v2/models/leaving')).status === 404);
  });
  const { answers } = await whileBusy(server, long, () => fill('bytes'));
  await bothAnswered(answers);
});

test('when all is over nothing is left', async () => {
  answered(await echo('other', 3_000_000), 3_000_000);
  assert.deepEqual([await waiting('other'), await waiting('bytes')], [0, 0]);
});
