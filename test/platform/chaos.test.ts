import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failures, runChaos } from '../../scripts/chaos/run.ts';
import { usePlatform } from './fixture.ts';

const fixture = usePlatform();

test('a short chaos run: nothing lost, nothing twice, in order', async () => {
  const options = {
    turns: 120,
    conversations: 12,
    kills: 3,
    rate: 12,
    duplicates: 0.1,
    handovers: 6,
    drain: 60,
    progress: () => {},
  };
  const report = await runChaos(fixture.platform, options);
  assert.deepEqual(failures(report, options), [], JSON.stringify(report));
  assert.ok(report.sentTwice > 0);
});
