import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claim, found, move, queued, searched, stop } from '../../../functions/training/job/job.ts';
import {
  called,
  end,
  hold,
  isUnderWay,
  release,
  type StoredTrial,
  take,
  unheard,
  unmade,
} from '../../../functions/training/job/trial.ts';

/** Trials of a search, whatever happens to their workers; and the job that they are for. */
const attempt = { index: 3, rung: 1, settings: { epochs: 24 } };
const fresh = () => called('t1', attempt, 1_000);
const MINUTE = 60_000;

test('one worker has it; another gets it when the first has said nothing for long enough', () => {
  const first = take(fresh(), 'a', 2_000, 100)!;
  assert.equal(take(first, 'b', 2_050, 100), null);
  assert.equal(hold(first, 'b', 2_050, 100), null, 'whoever has lost it goes on with nothing');
  const going = hold(first, 'a', 2_090, 100)!;
  assert.equal(take(going, 'b', 2_150, 100), null);
  const second = take(going, 'b', 2_300, 100)!;
  assert.deepEqual([second.claim?.by, second.deaths], ['b', 1]);
  assert.equal(hold(second, 'a', 2_310, 100), null);
});

test('a trial that killed three workers counts as one that can’t be trained', () => {
  let stored: StoredTrial = fresh();
  for (const by of ['a', 'b', 'c']) stored = take(stored, by, stored.claim ? stored.claim.until + 1 : 2_000, 100)!;
  assert.equal(stored.trial, null);
  const over = take(stored, 'd', stored.claim!.until + 1, 100)!;
  assert.deepEqual(over.trial, unmade(attempt));
  assert.equal(take(over, 'e', over.endedAt! + 1_000, 100), null, 'what is made is made once');
});

test('what is given back has cost nobody, and anybody may take it', () => {
  const given = release(take(fresh(), 'a', 2_000, 100)!, 'a')!;
  assert.equal(given.claim, null);
  assert.equal(take(given, 'b', 2_001, 100)!.deaths, 0);
  assert.equal(release(take(fresh(), 'a', 2_000, 100)!, 'b'), null);
});

test('a trial is called for again when its worker died, or when nobody has made any for a while', () => {
  const held = take(called('t1', attempt, 1_000), 'a', 2_000, 20_000)!;
  const waiting = called('t1', { ...attempt, index: 4 }, 1_000);
  assert.deepEqual(unheard([held, waiting], 10_000), [], 'it stands behind the one that is made');
  assert.deepEqual(unheard([held, waiting], 22_000 + 6_000), [held]);
  const again = { ...held, calledAt: 28_000 };
  assert.deepEqual(unheard([again, waiting], 30_000), [], 'once is enough');
  assert.deepEqual(unheard([again, waiting], 28_000 + MINUTE + 1), [again, waiting]);
  const ended = end(held, 'a', unmade(attempt), 80_000);
  assert.deepEqual(unheard([ended, waiting], 80_000 + MINUTE - 1), [], 'somebody was there a minute ago');
  assert.deepEqual(unheard([ended, waiting], 80_000 + MINUTE + 1), [waiting]);
  assert.deepEqual(unheard([], 1), []);
  assert.deepEqual(
    [isUnderWay([held], 3_000), isUnderWay([held], 30_000), isUnderWay([ended], 80_001)],
    [true, false, false],
  );
});

test('a job with a search tries settings first, is nobody’s meanwhile, and is trained with what was found', () => {
  const search = { trials: 12, seconds: 600 };
  const job = queued({ by: null, why: 'person', changes: 1, content: 'c' }, 1_000, search);
  const begun = claim(job, 'a', 2_000, 100)!;
  assert.deepEqual([begun.state, begun.claim, begun.search!.until], ['searching', null, 602_000]);
  assert.equal(claim(begun, 'b', 3_000, 100), null);

  const present = { epochs: 16 } as never;
  const first = searched(begun, { done: 0, expected: 20, present })!;
  assert.deepEqual(first.search!.present, present);
  assert.equal(searched(first, { done: 0, expected: 20, present }), null, 'nothing new is not written');
  const half = searched(first, { done: 10, expected: 20, present })!;
  assert.equal(half.share, 0.5);
  assert.equal(searched(half, { done: 9, expected: 20, present }), null, 'a late one takes nothing back');

  const figures = { accuracy: 0.9, auroc: null };
  const next = found(half, { settings: { epochs: 24 }, before: figures, after: figures }, 9_000);
  assert.deepEqual([next.state, next.share, next.steps.at(-1)!.note], ['training', 0, 'better']);
  assert.equal(claim(next, 'c', 9_001, 100)!.state, 'training');
  assert.equal(found(half, null, 9_000).steps.at(-1)!.note, 'as it is');
  assert.equal(stop(half, { id: 'kim', name: 'Kim' }, 5_000)!.state, 'cancelled', 'it ends at once');
  assert.throws(() => move(half, 'pushed', 5_000));
});
