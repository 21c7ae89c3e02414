import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, worseThan } from '../../../functions/releases/judgement.ts';

const known = [
  ...Array.from({ length: 100 }, (_, index) => ({ text: `${index}`, intent: 'a' })),
  ...Array.from({ length: 50 }, (_, index) => ({ text: `n${index}`, intent: 'none' })),
];
/** The labels of a model that has so many right, and refuses so many. */
const labels = (right: number, refused: number) =>
  known.map(({ intent }, index) =>
    intent === 'a' ? (index < right ? 'a' : 'b') : index - 100 < refused ? 'none' : 'b',
  );
const limits = { inside: 0.02, outside: 0.05 };
const verdict = (before: [number, number], after: [number, number]) =>
  worseThan(judge(known, labels(...before), labels(...after)), limits);

test('a release may lose what the limits say, and not more', () => {
  assert.equal(verdict([90, 40], [90, 40]), null);
  assert.equal(verdict([90, 40], [88, 38]), null, 'two points of the intents, two utterances of none');
  assert.match(verdict([90, 40], [87, 40])!, /of 100 utterances .* 87\.0% are right, in production 90\.0%/);
  assert.match(verdict([90, 40], [95, 37])!, /of 50 that are of no intent 74\.0% are refused, in production 80\.0%/);
  assert.equal(verdict([50, 10], [90, 40]), null);
});

test('of a handful of utterances one or two that are lost say nothing', () => {
  const few = known.slice(0, 5);
  const of = (right: number) => labels(right, 0).slice(0, 5);
  assert.equal(worseThan(judge(few, of(5), of(3)), limits), null);
  assert.match(worseThan(judge(few, of(5), of(2)), limits)!, /40\.0% are right, in production 100\.0%/);
});

test('counts what became better, worse and other', () => {
  const judgement = judge(
    [
      { text: '1', intent: 'a' },
      { text: '2', intent: 'a' },
      { text: '3', intent: 'none' },
      { text: '4', intent: 'b' },
    ],
    ['a', 'b', 'b', 'c'],
    ['b', 'a', 'none', 'd'],
  );
  assert.deepEqual(judgement, {
    inside: 3,
    outside: 1,
    before: { right: 1, refused: 0 },
    after: { right: 1, refused: 1 },
    changed: 4,
    better: 2,
    worse: 1,
  });
});
