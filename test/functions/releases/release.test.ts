import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  again,
  claim,
  fail,
  idOf,
  move,
  pause,
  pushed,
  type Release,
  type State,
  stumble,
  underWay,
} from '../../../functions/releases/release.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const STATES: State[] = [
  'pushed',
  'verified',
  'base',
  'staging',
  'warm',
  'ready',
  'live',
  'superseded',
  'failed',
  'rolled-back',
];
const MINUTE = 60_000;

/** A release in a state, without the way there. */
const inState = (state: State): Release => ({ ...pushed(DIGEST, 'maru/inference', 1_000), state });

/** Takes a release along its states. */
const along = (states: State[], start = pushed(DIGEST, 'maru/inference', 1_000)): Release =>
  states.reduce((release, state, index) => move(release, state, 2_000 + index), start);

test('a pushed release is named by its digest and knows nothing yet', () => {
  const release = pushed(DIGEST, 'maru/inference', 1_000);
  assert.equal(release.id, `sha256-${'a'.repeat(64)}`);
  assert.equal(release.id, idOf(DIGEST));
  assert.deepEqual(release.steps, [{ state: 'pushed', at: 1_000 }]);
  assert.equal(release.pushedAt, 1_000);
  assert.equal(release.since, 1_000);
  for (const unknown of [release.claim, release.checks, release.reason, release.release, release.notified])
    assert.equal(unknown, null);
});

test('the whole way, each step recorded with who did it', () => {
  const ready = along(['verified', 'staging', 'warm', 'ready']);
  const live = move(ready, 'live', 9_000, { by: 'kim', note: 'for the sale' });
  const over = move(live, 'superseded', 10_000);
  assert.deepEqual(
    over.steps.map(({ state }) => state),
    ['pushed', 'verified', 'staging', 'warm', 'ready', 'live', 'superseded'],
  );
  assert.deepEqual(live.steps.at(-1), { state: 'live', at: 9_000, by: 'kim', note: 'for the sale' });
  assert.equal(live.since, 9_000);
  assert.deepEqual(over.steps.at(-1), { state: 'superseded', at: 10_000 });
});

test('every transition is either on the list or refused', () => {
  const allowed: Record<State, State[]> = {
    pushed: ['verified', 'failed', 'superseded'],
    verified: ['base', 'staging', 'failed', 'superseded'],
    base: [],
    staging: ['warm', 'failed', 'superseded'],
    warm: ['ready', 'failed', 'superseded'],
    ready: ['live', 'failed', 'superseded'],
    live: ['superseded', 'rolled-back', 'failed'],
    superseded: ['live'],
    'rolled-back': ['live', 'superseded'],
    failed: [],
  };
  for (const from of STATES)
    for (const to of STATES) {
      if (allowed[from].includes(to)) assert.equal(move(inState(from), to, 2_000).state, to);
      else assert.throws(() => move(inState(from), to, 2_000), new RegExp(`from ${from} to ${to}`));
    }
});

test('nothing but a check makes a release ready, and nothing but ready or a swap back makes it live', () => {
  for (const state of STATES.filter((one) => one !== 'warm')) assert.throws(() => move(inState(state), 'ready', 1));
  for (const state of ['pushed', 'verified', 'base', 'staging', 'warm', 'failed'] as const)
    assert.throws(() => move(inState(state), 'live', 1));
});

test('moving takes what was learnt, ends the claim and the failures, and leaves its argument alone', () => {
  const held = { ...claim(inState('pushed'), 'worker', 1_000, MINUTE)!, attempts: 3 };
  const before = structuredClone(held);
  const models = [{ name: 'intents', version: '1.0.0', checksum: 'sha256:1', metrics: { accuracy: 0.9 } }];
  const moved = move(held, 'verified', 2_000, { models, release: 'sha256:2', note: 'intents 1.0.0' });
  assert.deepEqual(held, before);
  assert.deepEqual(moved.models, models);
  assert.equal(moved.release, 'sha256:2');
  assert.equal(moved.attempts, 0);
  assert.equal(moved.claim, null);
});

test('one worker holds a release; another gets it when the claim has run out', () => {
  const held = claim(inState('pushed'), 'one', 1_000, MINUTE)!;
  assert.deepEqual(held.claim, { by: 'one', until: 1_000 + MINUTE });
  assert.equal(claim(held, 'two', 1_000 + MINUTE - 1, MINUTE), null);
  assert.deepEqual(claim(held, 'two', 1_000 + MINUTE, MINUTE)?.claim, { by: 'two', until: 1_000 + 2 * MINUTE });
  assert.deepEqual(claim(held, 'one', 5_000, MINUTE)?.claim, { by: 'one', until: 5_000 + MINUTE }, 'its own again');
});

test('only what is under way can be claimed', () => {
  for (const state of STATES) {
    const working = ['pushed', 'verified', 'staging', 'warm'].includes(state);
    assert.equal(underWay(inState(state)), working, state);
    assert.equal(claim(inState(state), 'one', 1_000, MINUTE) !== null, working, state);
  }
});

test('a failure has its reason whole, and the first line of it in its step', () => {
  const failed = fail(inState('staging'), `the slot did not start\n${'log '.repeat(5_000)}`, 2_000);
  assert.equal(failed.state, 'failed');
  assert.match(failed.reason!, /^the slot did not start\nlog /);
  assert.ok(failed.reason!.length <= 8_000);
  assert.deepEqual(failed.steps.at(-1), { state: 'failed', at: 2_000, note: 'the slot did not start' });
});

test('what stumbles is tried again, less and less often, and fails after eight times in a row', () => {
  let release = claim(inState('verified'), 'one', 1_000, MINUTE)!;
  const pauses: number[] = [];
  while (release.state === 'verified') {
    release = stumble(release, 'arm: it is away', 2_000);
    assert.equal(release.claim, null);
    assert.equal(release.reason, 'arm: it is away');
    if (underWay(release)) pauses.push(pause(release));
  }
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(release.state, 'failed');
  assert.equal(release.steps.at(-1)?.note, 'arm: it is away');
});

test('a step that works forgives the stumbles before it', () => {
  let release = inState('pushed');
  for (let time = 0; time < 7; time += 1) release = stumble(release, 'away', 1_000);
  release = move(release, 'verified', 2_000);
  assert.equal(stumble(release, 'away', 3_000).state, 'verified');
});

test('a release that was in use goes the whole way again, and keeps its past', () => {
  const used = { ...along(['verified', 'staging', 'warm', 'ready', 'live', 'superseded']), notified: 'live' as const };
  const anew = again({ ...used, checks: { golden: { passed: 1, failed: 0 }, comparison: null } }, 9_000);
  assert.equal(anew.state, 'pushed');
  assert.equal(anew.pushedAt, 9_000, 'it is the newest push now');
  assert.equal(anew.notified, null, 'operators hear of it again');
  assert.equal(anew.checks, null);
  assert.deepEqual(anew.steps.slice(0, -1), used.steps);
  assert.deepEqual(anew.steps.at(-1), { state: 'pushed', at: 9_000, note: 'pushed again' });
});

test('whatever happens to a release: steps and reason stay bounded, and nothing under way is claimed twice', () => {
  const event = fc.oneof(
    fc.constantFrom(...STATES).map((state) => ({ kind: 'move' as const, state })),
    fc.constant({ kind: 'stumble' as const }),
    fc.constant({ kind: 'again' as const }),
    fc.constantFrom('one', 'two').map((by) => ({ kind: 'claim' as const, by })),
  );
  fc.assert(
    fc.property(fc.array(event, { minLength: 50, maxLength: 400 }), (events) => {
      let release = pushed(DIGEST, 'maru/inference', 0);
      for (const [now, one] of events.entries()) {
        const holder = release.claim && release.claim.until > now ? release.claim.by : null;
        if (one.kind === 'claim') {
          const claimed = claim(release, one.by, now, 10);
          if (claimed && holder) assert.equal(claimed.claim?.by, holder);
          release = claimed ?? release;
        } else if (one.kind === 'stumble') {
          if (underWay(release)) release = stumble(release, 'x'.repeat(20_000), now);
        } else if (one.kind === 'again') release = again(release, now);
        else {
          try {
            release = move(release, one.state, now);
          } catch (error) {
            assert.match(String(error), /can't go from/);
          }
        }
        assert.ok(release.steps.length <= 100);
        assert.ok((release.reason?.length ?? 0) <= 8_000);
        assert.ok(release.attempts < 8);
        assert.equal(release.steps.at(-1)?.state, release.state);
      }
    }),
    { numRuns: 60 },
  );
});
