import assert from 'node:assert/strict';
import { test } from 'node:test';
import { due, type Rule } from '../../../functions/training/job/due.ts';
import {
  claim,
  judged,
  move,
  progress,
  queued,
  stop,
  stumble,
  type TrainingJob,
  underWay,
  unlessStopped,
  type Verdict,
} from '../../../functions/training/job/job.ts';

/** The state of a training job, whatever happens to its workers. */
const kim = { id: 'kim', name: 'Kim' };
const fresh = () => queued({ by: kim, why: 'person', changes: 3, content: 'c1' }, 1_000);
const claimed = (job: TrainingJob, by: string, now: number) => claim(job, by, now, 100)!;
const verdict = (more: Partial<Verdict> = {}): Verdict => ({
  intents: null,
  faq: null,
  worse: [],
  log: null,
  ece: null,
  reasons: [],
  mayPass: true,
  ...more,
});

test('one worker has it; another gets it when the first has said nothing for long enough', () => {
  const first = claimed(fresh(), 'a', 2_000);
  assert.equal(first.state, 'training');
  assert.equal(claim(first, 'b', 2_050, 100), null);
  assert.equal(progress(first, 'b', 0.5, [], 2_050, 100), null, 'whoever has lost it writes nothing');
  const going = progress(first, 'a', 0.5, [{ share: 0.5, loss: 1 }], 2_090, 100)!;
  assert.equal(claim(going, 'b', 2_150, 100), null, 'while it says how far it is, it has it');
  const second = claimed(going, 'b', 2_300);
  assert.deepEqual([second.claim!.by, second.attempts], ['b', 1]);
  assert.equal(progress(second, 'a', 0.9, [], 2_310, 100), null);
});

test('what ends its worker three times ends itself', () => {
  let job = fresh();
  for (const by of ['a', 'b', 'c']) job = claimed(job, by, job.since + 10_000 * by.charCodeAt(0));
  const last = claimed(job, 'd', 99_000_000);
  assert.equal(last.state, 'failed');
  assert.match(last.reason!, /without a word/);
  assert.equal(underWay(last), false);
});

test('what something else was away for is tried again, three times', () => {
  const first = stumble(claimed(fresh(), 'a', 2_000), 'cosmos: no answer', 2_100);
  assert.deepEqual([first.state, first.attempts, first.claim], ['training', 1, null]);
  const again = stumble(claimed(first, 'b', 2_200), 'cosmos: no answer', 2_300);
  assert.equal(stumble(claimed(again, 'c', 2_400), 'cosmos: no answer', 2_500).state, 'failed');
});

test('what is judged goes on, waits for a person, or stays', () => {
  const job = claimed(fresh(), 'a', 2_000);
  assert.equal(judged(job, [], verdict(), 3_000).state, 'judged');
  const waits = judged(job, [], verdict({ reasons: ['worse on one'] }), 3_000);
  assert.equal(waits.state, 'waiting');
  assert.equal(underWay(waits), false, 'others may be trained meanwhile');
  assert.equal(move(waits, 'judged', 4_000, { by: 'Kim' }).steps.at(-1)!.by, 'Kim');
  const kept = judged(job, [], verdict({ reasons: ['worse'], mayPass: false }), 3_000);
  assert.equal(kept.state, 'kept');
  assert.throws(() => move(kept, 'judged', 4_000), /can't go from kept/);
  assert.throws(() => move(waits, 'pushed', 4_000), /can't go from waiting/, 'nothing is pushed that waits');
});

test('somebody ends it: at once where nobody works on it, and else when its worker looks', () => {
  assert.equal(stop(fresh(), kim, 2_000)!.state, 'cancelled');
  const going = stop(claimed(fresh(), 'a', 2_000), kim, 2_050)!;
  assert.deepEqual([going.state, going.stop], ['training', kim]);
  assert.equal(stop(claimed(fresh(), 'a', 2_000), kim, 9_000)!.state, 'cancelled', 'its worker is gone');
  assert.equal(stop(move(claimed(fresh(), 'a', 2_000), 'failed', 3_000), kim, 4_000), null);
});

test('what was ended while it was judged or pushed has ended; what failed before and went on has no reason any more', () => {
  const stopping = stop(claimed(fresh(), 'a', 2_000), kim, 2_050)!;
  const after = unlessStopped(stopping, 3_000, (job) => judged(job, [], verdict(), 3_000));
  assert.deepEqual([after.state, after.steps.at(-1)!.by], ['cancelled', 'Kim']);
  const pushing = stop(claimed(judged(claimed(fresh(), 'a', 2_000), [], verdict(), 2_100), 'b', 2_200), kim, 2_250)!;
  const pushed = unlessStopped(pushing, 3_000, (job) => move(job, 'pushed', 3_000, { digest: 'sha256:1' }));
  assert.deepEqual([pushed.state, pushed.digest], ['cancelled', null]);
  const stumbled = claimed(stumble(claimed(fresh(), 'a', 2_000), 'cosmos: no answer', 2_100), 'b', 2_200);
  assert.equal(judged(stumbled, [], verdict(), 2_300).reason, null);
});

test('versions are those of the second, and greater than any before', () => {
  const at = (text: string) => queued({ by: null, why: 'time', changes: 1, content: 'c' }, Date.parse(text)).version;
  assert.equal(at('2026-11-28T06:37:05.400Z'), '2026-11-28-063705');
  const all = ['2026-11-28T06:37:05Z', '2026-11-28T09:00:00Z', '2026-12-01T00:00:00Z'].map(at);
  assert.deepEqual(all, [...all].sort());
});

test('it begins by itself when enough was taught and nobody is at it, or at its time of day with anything at all', () => {
  const rule: Rule = { after: 20, quietMs: 60_000, at: undefined, timeZone: 'Asia/Seoul' };
  const now = Date.parse('2026-11-28T18:40:00Z');
  const taught = (changes: number, quiet = 61_000, lastAt = 0) => ({ changes, changedAt: now - quiet, lastAt });
  assert.equal(due(taught(20), rule, now), 'changes');
  assert.equal(due(taught(19), rule, now), null);
  assert.equal(due(taught(50, 59_000), rule, now), null, 'ten edits are one training');
  assert.equal(due(taught(500), { ...rule, after: 0 }, now), null);

  // It is 03:40 in Seoul.
  const daily = { ...rule, after: 0, at: '03:30' };
  assert.equal(due(taught(1), daily, now), 'time');
  assert.equal(due(taught(0), daily, now), null);
  assert.equal(due(taught(1), { ...daily, at: '03:50' }, now), null);
  assert.equal(due(taught(1, 61_000, now - 5 * 60_000), daily, now), null, 'once a day');
  assert.equal(due(taught(1, 61_000, now - 20 * 60_000), daily, now), 'time', 'one before its time does not count');
  assert.equal(due(taught(50, 120_000, now - 90_000), rule, now), null, 'what has failed is not begun again and again');
});
