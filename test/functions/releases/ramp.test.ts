import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  begin,
  type Counts,
  decide,
  type Evidence,
  isActive,
  isChosen,
  look,
  next,
  type Ramp,
  STEPS,
  shareOf,
  stopped,
  unseen,
} from '../../../functions/releases/ramp.ts';

/** When a ramp goes on, back to nobody, or waits. */
const rule = { least: 100, agreement: 0.5, patience: 60_000 };
const counts = (conversations: number, more: Partial<Counts> = {}): Counts => ({
  conversations,
  missed: 0,
  handedOver: 0,
  down: 0,
  ...more,
});
const measured = (more: Partial<Evidence> = {}): Evidence => ({
  asked: 200,
  failed: 0,
  differed: 0,
  p95: { ramp: 8, live: 7 },
  ramp: counts(200, { missed: 10, handedOver: 6, down: 4 }),
  live: counts(3_000, { missed: 150, handedOver: 90, down: 60 }),
  ...more,
});
const of = { digest: 'sha256:1', repository: 'maru/inference', release: 'sha256:r', models: { intents: '2' } };
const at = (step: number): Ramp => ({ ...begin(of, 'Kim', 0), step });

test('as good as what is live: one step further, and behind the last the slots are swapped', () => {
  let ramp = begin(of, 'Kim', 0);
  const seen: number[] = [shareOf(ramp)];
  for (let now = 1; ramp.state === 'running'; now += 1) {
    ramp = decide(ramp, measured(), rule, now);
    seen.push(shareOf(ramp));
  }
  assert.deepEqual(seen, [0, 0.05, 0.25, 0.5, 1, 1]);
  assert.equal(ramp.state, 'swapping');
  assert.ok(
    ramp.history.every(({ evidence }) => evidence?.asked === 200),
    'each step keeps what it was decided by',
  );
});

test('what is broken goes back to nobody at once: before a step has all its messages', () => {
  const few = { asked: 12, ramp: counts(12) };
  for (const [more, reason] of [
    [{ ...few, failed: 3 }, /of 12 messages it did not answer 3 in time/],
    [{ ...few, p95: { ramp: 900, live: 8 } }, /its answers take 900 ms/],
    [{ ...few, differed: 11 }, /of 12 messages 11 are understood otherwise/],
    [{ ramp: counts(200, { down: 20 }) }, /10\.0% of what it was asked got a thumb down, and 2\.0% of the others/],
    [{ ramp: counts(200, { handedOver: 24 }) }, /12\.0% of what it was asked were handed over/],
    [{ ramp: counts(200, { missed: 40 }) }, /20\.0% of what it was asked were not understood/],
  ] as const) {
    const ramp = decide(at(1), measured(more), rule, 5);
    assert.deepEqual([ramp.state, shareOf(ramp), isActive(ramp)], ['stopped', 0, false], String(reason));
    assert.match(ramp.reasons.join(), reason);
    assert.match(ramp.history.at(-1)!.note!, reason);
  }
});

test('what may be chance is no breach; two bad answers are a blip', () => {
  assert.equal(look(measured({ failed: 2 }), rule).kind, 'pass');
  assert.equal(look(measured({ p95: { ramp: 240, live: 8 } }), rule).kind, 'pass', 'nobody notices');
  assert.equal(look(measured({ p95: { ramp: 900, live: 400 } }), rule).kind, 'pass', 'all are slow');
  assert.equal(look(measured({ asked: 10, ramp: counts(10, { down: 1 }) }), rule).kind, 'open');
  assert.equal(look(measured({ ramp: counts(4, { missed: 4 }) }), rule).kind, 'pass', 'a few confused customers');
});

test('a step that stays open waits for a person, who lets it go on or ends it', () => {
  const doubtful = measured({ ramp: counts(200, { missed: 20, down: 4, handedOver: 6 }) });
  const found = look(doubtful, rule);
  assert.equal(found.kind, 'open', JSON.stringify(found));
  const open = decide(at(2), doubtful, rule, 30_000);
  assert.deepEqual([open.state, shareOf(open)], ['running', 0.25]);
  const waits = decide(open, doubtful, rule, 60_000);
  assert.deepEqual([waits.state, shareOf(waits)], ['waiting', 0.25], 'the share stays');
  assert.equal(decide(waits, measured(), rule, 70_000).state, 'waiting', 'a person decides');
  assert.deepEqual([next(waits, 80_000, 'Kim').step, next(waits, 80_000, 'Kim').state], [3, 'running']);
  assert.equal(shareOf(stopped(waits, ['no'], 80_000, 'Kim')), 0);
  const few = decide(at(1), measured({ asked: 40, ramp: counts(40) }), rule, 61_000);
  assert.deepEqual([few.state, few.reasons], ['waiting', ['40 of 100 messages']]);
});

test('what breaks while it waits for a person goes back to nobody all the same', () => {
  const waits: Ramp = { ...at(2), state: 'waiting' };
  assert.equal(decide(waits, measured({ failed: 50 }), rule, 10).state, 'stopped');
});

test('what can not be measured asks for a person after a while, for nobody sees whether it is well', () => {
  let ramp = at(1);
  for (let looks = 0; looks < 11; looks += 1) ramp = unseen(ramp);
  assert.equal(ramp.state, 'running');
  assert.equal(decide(ramp, measured({ asked: 5 }), rule, 5).blind, 0);
  assert.deepEqual([unseen(ramp).state, shareOf(unseen(ramp))], ['waiting', 0.05]);
});

test('a conversation that is chosen stays chosen while the share grows; as many are as it says', () => {
  const all = Array.from({ length: 4_000 }, (_, place) => `conversation.${place}`);
  let before = new Set<string>();
  for (const step of STEPS.keys()) {
    const chosen = new Set(all.filter((id) => isChosen(at(step), id)));
    assert.ok([...before].every((id) => chosen.has(id)));
    assert.ok(Math.abs(chosen.size / all.length - STEPS[step]!) < 0.03, `${step}: ${chosen.size}`);
    before = chosen;
  }
  const other = { ...at(2), digest: 'sha256:2' };
  assert.ok(
    all.some((id) => isChosen(other, id) !== isChosen(at(2), id)),
    'another release, others',
  );
});
