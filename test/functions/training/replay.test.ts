import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begin, claim, further } from '../../../functions/training/replay.ts';

/** The log seen again: what is counted, and who goes on with it. */
const DAY = 86_400_000;
const begun = () => claim(begin('2', 10 * DAY, 7), 'a', 10 * DAY, 100)!;

test('goes from now back to so many days ago, a page after the other, and counts what moved', () => {
  const first = begun();
  assert.deepEqual([first.from, first.to, first.place], [3 * DAY, 10 * DAY, 10 * DAY]);
  const moved = [
    { before: 'none', after: 'parking' },
    { before: 'location', after: 'parking' },
    { before: 'none', after: 'parking' },
  ];
  const second = further(first, { moved, seen: 100, place: 9 * DAY }, 10 * DAY, 100);
  assert.deepEqual([second.place, second.seen, second.state], [9 * DAY, 100, 'running']);
  assert.deepEqual(second.movements, [
    { before: 'none', after: 'parking', count: 2 },
    { before: 'location', after: 'parking', count: 1 },
  ]);
  const last = further(second, { moved: moved.slice(1, 2), seen: 40, place: null }, 10 * DAY, 100);
  assert.deepEqual([last.state, last.claim, last.seen], ['done', null, 140]);
  assert.deepEqual(last.movements[1], { before: 'location', after: 'parking', count: 2 });
  assert.equal(claim(last, 'b', 11 * DAY, 100), null, 'once is enough');
});

test('one goes on with it at a time; another when that one is gone', () => {
  const first = begun();
  assert.equal(claim(first, 'b', 10 * DAY + 50, 100), null);
  assert.equal(claim(first, 'b', 10 * DAY + 150, 100)!.claim!.by, 'b');
});

test('however many pairs there are, the document stays small: the rare ones are counted together', () => {
  const moved = Array.from({ length: 1_000 }, (_, at) => ({ before: `i${at}`, after: 'x' }));
  const { movements } = further(begun(), { moved, seen: 1_000, place: null }, 10 * DAY, 100);
  assert.equal(movements.length, 401);
  assert.deepEqual(movements[0], { before: '…', after: '…', count: 600 });
});
