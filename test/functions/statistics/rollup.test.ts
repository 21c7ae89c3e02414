import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turnId, userId } from '../../../functions/conversation/identifier.ts';
import { boundsOf, dayOf, HOUR_MS, plusDays, sameTimeBefore } from '../../../functions/statistics/day.ts';
import { addDuration, addDurations, type Durations, percentileOf } from '../../../functions/statistics/durations.ts';
import { addPeople, addPerson, countPeople, type People } from '../../../functions/statistics/people.ts';
import { type Counted, outcomeOf, rollUp, together, total } from '../../../functions/statistics/rollup.ts';

const turn = (more: Partial<Counted> = {}): Counted => ({
  acceptedAt: 1_000,
  answeredAt: 1_100,
  channel: 'api',
  givenId: 'k',
  locale: 'en',
  outcome: 'answered',
  skill: 'answer',
  timings: { queue: 5 },
  understanding: { intent: 'store_hours', score: 0.9, top: [], model: { name: 'intents', version: '1.0.0' } },
  userId: userId('api', 'u'),
  ...more,
});

test('people: how many there were within 5 %, whoever counts them, and whoever comes twice is one', () => {
  for (const many of [0, 1, 10, 300, 3_000, 60_000]) {
    const [morning, evening]: [People, People] = [{}, {}];
    for (let at = 0; at < many; at += 1) {
      addPerson(at % 2 ? morning : evening, userId('api', `u${at}`));
      addPerson(evening, userId('api', `u${at}`));
    }
    addPeople(morning, evening);
    assert.ok(Math.abs(countPeople(morning) - many) <= Math.max(1, many * 0.05), `${many}: ${countPeople(morning)}`);
  }
});

test('durations: a percentile within 5 %, of two put together too', () => {
  const [one, other]: [Durations, Durations] = [{}, {}];
  for (let ms = 1; ms <= 10_000; ms += 1) addDuration(ms % 3 ? one : other, ms);
  addDurations(one, other);
  for (const share of [0.5, 0.95, 0.99]) {
    const found = percentileOf(one, share)!;
    assert.ok(Math.abs(found - share * 10_000) <= share * 10_000 * 0.05, `${share}: ${found}`);
  }
  assert.equal(percentileOf({}, 0.5), null);
});

test('what became of a turn', () => {
  const by = { id: 'mina', name: 'Mina' };
  for (const [given, outcome] of [
    [{}, 'answered'],
    [{ skill: 'flow' }, 'answered'],
    [{ skill: 'fallback' }, 'not_understood'],
    [{ skill: 'person', handover: 'complaint' }, 'handed_over'],
    [{ skill: 'flow', handover: 'complaint' }, 'handed_over'],
    [{ skill: 'person' }, 'person'],
    [{ skill: 'listener' }, 'person'],
    [{ outcome: 'failed', skill: 'apology' }, 'failed'],
    [{ by }, null],
    [{ givenId: '' }, null],
  ] as [Partial<Counted>, string | null][])
    assert.equal(outcomeOf(turn(given)), outcome, JSON.stringify(given));
});

test('turns are counted by channel and language; the staff\u2019s words are none; parts put together are the whole', () => {
  const turns = [
    turn(),
    turn({ locale: 'ko', feedback: { rating: 'down', at: 1 } }),
    turn({ channel: 'directline', skill: 'fallback', understanding: null }),
    turn({ channel: 'directline', skill: 'listener', userId: userId('api', 'other') }),
    turn({ by: { id: 'mina', name: 'Mina' } }),
    turn({ givenId: '', rating: 4 }),
  ];
  const whole = rollUp(turns);
  assert.deepEqual(whole.map(({ channel, locale, turns }) => `${channel} ${locale} ${turns}`).sort(), [
    'api en 1',
    'api ko 1',
    'directline en 2',
  ]);
  const sum = total(whole);
  assert.equal(sum.turns, 4);
  assert.equal(countPeople(sum.people), 2);
  assert.deepEqual(sum.outcomes, { answered: 2, not_understood: 1, person: 1 });
  assert.deepEqual(sum.intents, { store_hours: 2 }, 'what a person answers led nowhere');
  assert.deepEqual(sum.feedback, { up: 0, down: 1 });
  assert.deepEqual(sum.ratings, { count: 1, sum: 4 });
  assert.ok(Math.abs(percentileOf(sum.hops.all!, 0.5)! - 100) <= 5);
  const parts = together([...rollUp(turns.slice(0, 3)), ...rollUp(turns.slice(3))]);
  assert.deepEqual(total(parts), sum);
});

test('nothing of anybody is in what is counted', () => {
  const text = JSON.stringify(rollUp([turn({ userId: userId('api', 'u') })]));
  assert.ok(!text.includes(userId('api', 'u').slice(5)) && !text.includes(turnId('k')));
});

test('days begin where the business is, also where clocks are put forward and back', () => {
  assert.equal(dayOf(Date.parse('2026-11-27T15:00:00Z'), 'Asia/Seoul'), '2026-11-28');
  assert.deepEqual(boundsOf('2026-11-28', 'Asia/Seoul'), {
    from: Date.parse('2026-11-27T15:00:00Z'),
    to: Date.parse('2026-11-28T15:00:00Z'),
  });
  const hours = (day: string) => {
    const { from, to } = boundsOf(day, 'Europe/Berlin');
    return (to - from) / HOUR_MS;
  };
  assert.deepEqual(['2026-03-28', '2026-03-29', '2026-10-25'].map(hours), [24, 23, 25]);
  const noon = Date.parse('2026-03-30T10:00:00Z');
  assert.equal(
    new Date(sameTimeBefore(noon, 7, 'Europe/Berlin')).toISOString(),
    '2026-03-23T11:00:00.000Z',
    'noon is noon',
  );
  assert.equal(plusDays('2026-02-28', 1), '2026-03-01');
  assert.equal(plusDays('2026-01-01', -1), '2025-12-31');
});
