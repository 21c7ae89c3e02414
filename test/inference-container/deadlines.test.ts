import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  call,
  eventually,
  familiar,
  infer,
  metric,
  refused,
  turnsASecond,
  useServer,
  whileBusy,
  writeModel,
} from './fixture.ts';
import * as models from './models.ts';

/** Requests that nobody waits for any more: those of models that need a worker, and of those that need none. */
let second = 0;
const server = useServer(
  async (folder) => {
    for (const name of ['plus', 'fresh', 'leaving']) await writeModel(folder, name, '1', models.plus(1));
    await writeModel(folder, 'slow', '1', models.slow());
    const batching = { maxRows: 8, maxDelayMs: 1_000 };
    await writeModel(folder, 'patient', '1', models.plus(1), { manifest: { batching } });
  },
  {
    started: async (it) => {
      second = await turnsASecond(it);
    },
  },
);

const x = (...data: number[]) => [{ name: 'x', datatype: 'INT64', shape: [data.length], data }];
const rowsRun = (model: string) => metric(server.it, 'maru_inference_batch_rows_sum', { model });

test('parameters.timeout holds with a worker and without', async () => {
  const ask = (timeout: number) => infer(server.it, 'plus', x(40), { parameters: { timeout } });
  for (const familiarly of [false, true]) {
    if (familiarly) await familiar(server.it, second, () => ask(20_000_000));
    const before = await rowsRun('plus');
    for (let time = 0; time < 10; time += 1) {
      const late = await ask(1e-6);
      refused(late, 503, /long/);
      assert.match(late.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    }
    assert.equal(await rowsRun('plus'), before, 'what is too late is not run');
    assert.equal((await ask(20_000_000)).status, 200);
  }
});

test('parameters.timeout ends the waiting for company, too', async () => {
  const order: string[] = [];
  const late = infer(server.it, 'patient', x(1), { parameters: { timeout: 20_000 } }).then((answer) => {
    order.push('late');
    return answer;
  });
  await sleep(400);
  order.push('half of the delay');
  refused(await late, 503);
  assert.deepEqual(order, ['late', 'half of the delay']);
});

test('parameters.timeout holds for a large request, too', async () => {
  const data = Array.from({ length: 100_000 }, (_, at) => at);
  const inputs = [{ name: 'x', datatype: 'INT64', shape: [data.length], data }];
  const parameters = { timeout: 20_000 };
  const late = await whileBusy(server.it, second / 2, () => infer(server.it, 'fresh', inputs, { parameters }));
  refused(late, 503);
});

test('clients that leave take nothing with them', async () => {
  const ask = (value: number, signal?: AbortSignal) => infer(server.it, 'leaving', x(value), {}, signal);
  for (const familiarly of [false, true]) {
    if (familiarly) await familiar(server.it, second, () => ask(40));
    for (let round = 0; round < 6; round += 1) {
      const leaving = new AbortController();
      const gone = Array.from({ length: 20 }, (_, value) => ask(value, leaving.signal).catch(() => null));
      const stays = Array.from({ length: 20 }, (_, value) => ask(value));
      if (round % 2 === 0) await sleep(round);
      leaving.abort();
      for (const [value, { body }] of (await Promise.all(stays)).entries())
        assert.deepEqual(body.outputs[0].data, [value + 1]);
      for (const answer of await Promise.all(gone)) if (answer) assert.equal(answer.status, 200);
    }
    for (const gauge of ['maru_inference_queue_requests', 'maru_inference_running_requests'])
      await eventually(async () => (await metric(server.it, gauge, { model: 'leaving' })) === 0);
  }
  // Unloading waits for what is in flight: nothing is.
  assert.equal((await call(server.it, 'POST', '/v2/repository/models/leaving/unload')).status, 200);
});
