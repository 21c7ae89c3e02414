import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { soak, soakFailures } from '../../scripts/soak/run.ts';
import { REPOSITORY_KEY, startProcess, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** The short version of `npm run soak`. */
test('8 seconds of full load while a model is loaded and unloaded: no wrong answer, no 5xx but 503, memory stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'maru-soak-'));
  for (const name of ['steady', 'churn']) await writeModel(folder, name, '1', models.embedding());
  const { port, child, exited, complaints } = await startProcess(folder, { WORKERS: '2' });
  try {
    const result = await soak({
      port,
      pid: child.pid!,
      key: REPOSITORY_KEY,
      seconds: 8,
      clients: 8,
      file: models.embedding(),
      ids: models.ROWS,
      progress: () => {},
    });
    assert.deepEqual(soakFailures(result), []);
    assert.ok(result.statuses[200]! > result.requests / 2, JSON.stringify(result.statuses));
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    assert.equal(complaints(), '');
  } finally {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
});
