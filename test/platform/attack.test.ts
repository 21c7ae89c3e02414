import assert from 'node:assert/strict';
import { test } from 'node:test';
import { floodActivities } from '../../scripts/attack/activities.ts';
import { say, unique, usePlatform } from './fixture.ts';

const fixture = usePlatform();

test('mutated activities with a good token are accepted or refused, mutated tokens are 401, and the bot goes on', async () => {
  const { failures, activities, tokens } = await floodActivities(fixture.platform, {
    activities: 200,
    tokens: 40,
    seed: Number(process.env.FUZZ_SEED ?? 1),
  });
  assert.deepEqual(failures, []);
  assert.ok(activities === 200 && tokens > 50);
  assert.equal((await say(fixture.platform, unique('c'), 'thanks')).body.status, 'answered');
});
