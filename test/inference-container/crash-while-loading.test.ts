import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { call, eventually, infer, metric, refused, serve, turns, turnsASecond, writeModel } from './fixture.ts';
import * as models from './models.ts';

test('a version whose loading was interrupted by the crash of a worker is loaded at the next look', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'maru-crash-'));
  await writeModel(folder, 'slow', '1', models.slow());
  await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  const lone = await serve(folder, {
    script: new URL('./crashing-worker.ts', import.meta.url),
    settings: { MODEL_WATCH_SECONDS: '1' },
  });
  try {
    const running = (model: string) => async () =>
      (await metric(lone, 'maru_inference_running_requests', { model })) === 1;
    // The worker has these two at hand when the new version appears, and it is to be loaded after them.
    const slow = infer(lone, 'slow', turns((await turnsASecond(lone)) * 1.6));
    await eventually(running('slow'));
    const crash = call(lone, 'POST', '/v1/models/text:predict', { instances: ['exit now'] });
    await eventually(running('text'));
    await writeModel(folder, 'new', '1', models.plus(1));
    assert.equal((await slow).status, 200);
    refused(await crash, 503);
    const ask = () => infer(lone, 'new', [{ name: 'x', datatype: 'INT64', shape: [1], data: [1] }]);
    const answer = await eventually(async () => {
      const came = await ask();
      return came.status === 200 && came;
    }, 4);
    assert.deepEqual(answer.body.outputs[0].data, [2]);
  } finally {
    await lone.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
