import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../functions/training/random.ts';
import {
  type Attempt,
  attempts,
  best,
  effects,
  expected,
  type Plan,
  ranked,
  type Trial,
} from '../../../functions/training/search/plan.ts';

/** Which settings a search tries, with trials that are made up: the truth is known. */
const space = { depth: [1, 2, 3, 4, 5], rate: [0.1, 0.2, 0.3, 0.4, 0.5], width: [8, 16, 32, 64], dead: [1, 2, 3, 4] };
const present = { depth: 2, rate: 0.2, width: 16, dead: 2 };
const planOf = (trials: number, seed = 1): Plan => ({ space, present, seed, trials });
const HELD = 400;

/** The truth: best at depth 4, rate 0.4, width 64; each held-out answer has a difficulty of its own, so that trials can be held against each other. */
function skillOf(settings: Record<string, number>): number {
  const { depth, rate, width } = { ...present, ...settings } as typeof present;
  return 0.9 - 0.03 * (depth - 4) ** 2 - 2 * (rate - 0.4) ** 2 - 0.02 * (6 - Math.log2(width));
}

function made(attempt: Attempt, noise = 0.05): Trial {
  const random = new Random(7_919 * attempt.index + attempt.rung);
  const difficulty = new Random(attempt.rung);
  const wrong = Array.from({ length: HELD }, (_, place) => place).filter(() => {
    const shaken = difficulty.next() + noise * random.normal();
    return shaken > skillOf(attempt.settings);
  });
  return { ...attempt, figures: { accuracy: 1 - wrong.length / HELD, auroc: null }, of: HELD, wrong, seconds: 1 };
}

/** Makes all trials, by so many workers at once that end in any order. */
function searched(plan: Plan, workers = 1, make = made): Trial[] {
  const random = new Random(workers);
  const done: Trial[] = [];
  const going: Attempt[] = [];
  for (;;) {
    const open = attempts(plan, done).filter(
      (one) => !going.some(({ index, rung }) => index === one.index && rung === one.rung),
    );
    going.push(...open.slice(0, workers - going.length));
    if (going.length === 0) return done;
    const [ended] = going.splice(random.below(going.length), 1);
    done.push(make(ended!));
  }
}

const sorted = (trials: Trial[]) => [...trials].sort((a, b) => a.rung - b.rung || a.index - b.index);

test('any number of workers, whoever is faster, tries the same', () => {
  const alone = sorted(searched(planOf(40)));
  for (const workers of [2, 3, 8]) assert.deepEqual(sorted(searched(planOf(40), workers)), alone);
  assert.notDeepEqual(sorted(searched(planOf(40, 2))), alone);
  assert.equal(alone.length, expected(planOf(40)));
});

test('the first change one setting each, and the recipe as it is is judged on everything, first of all', () => {
  assert.deepEqual(
    attempts(planOf(30), [])
      .slice(0, 3)
      .map(({ index, rung }) => [index, rung]),
    [
      [0, 2],
      [0, 1],
      [0, 0],
    ],
  );
  const first = searched(planOf(30)).filter(({ index, rung }) => rung === 0 && index > 0 && index < 5);
  assert.deepEqual(first.map(({ settings }) => Object.keys(settings)).sort(), [
    ['dead'],
    ['depth'],
    ['rate'],
    ['width'],
  ]);
  for (const { settings } of first)
    for (const [name, value] of Object.entries(settings)) assert.notEqual(value, present[name as keyof typeof present]);
});

test('a third of each generation is judged on more, and those are its best', () => {
  const done = searched(planOf(32));
  for (const [from, to] of [
    [1, 5],
    [5, 14],
    [14, 23],
    [23, 32],
  ] as const) {
    const own = (rung: number) => done.filter((one) => one.rung === rung && one.index >= from && one.index < to);
    for (const rung of [0, 1]) {
      const promoted = own(rung + 1).map(({ index }) => index);
      assert.equal(promoted.length, Math.ceil(own(rung).length / 3));
      const first = ranked(own(rung)).slice(0, promoted.length);
      assert.deepEqual(promoted.sort(), first.map(({ index }) => index).sort());
    }
  }
});

test('it finds more than blind draws do, of as many trials', () => {
  const [found, blind] = [[], []] as [number[], number[]];
  for (let seed = 1; seed <= 20; seed += 1) {
    found.push(skillOf(best(searched(planOf(50, seed)))!.after.settings));
    const random = new Random(seed);
    const drawn = Array.from({ length: 50 }, (_, index) => ({
      index,
      rung: 0,
      settings: Object.fromEntries(
        Object.entries(space).map(([name, values]) => [name, values[random.below(values.length)]!]),
      ),
    }));
    blind.push(skillOf(ranked(drawn.map((one) => made(one)))[0]!.settings));
  }
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(mean(found) > mean(blind), `${mean(found)} ${mean(blind)}`);
  assert.ok(mean(found) > 0.87, `${mean(found)}`);
});

test('a setting that does nothing shows as nothing, and one that does something as what it does', () => {
  let seen = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const found = effects(
      { space, present },
      searched(planOf(5, seed), 1, (one) => made(one, 0)),
    );
    const of = (name: string) => found.find(({ setting }) => setting === name)!;
    assert.deepEqual([of('dead').changed, of('dead').accuracy, of('dead').shows], [0, 0, 'nothing']);
    assert.equal(of('width').shows, 'better');
    assert.equal(of('depth').to, 5);
    // Where training shakes, too.
    const shaken = effects(
      { space, present },
      searched(planOf(5, seed), 1, (one) => ({
        ...made({ ...one, index: one.index + 1_000 * seed }),
        index: one.index,
      })),
    );
    if (shaken.find(({ setting }) => setting === 'dead')!.shows === 'nothing') seen += 1;
  }
  assert.ok(seen >= 18, `${seen} of 20`);
});

test('what is no better than chance is not taken', () => {
  const flat = (one: Attempt) => ({ ...made({ ...one, settings: {} }, 0.02), ...one });
  let taken = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const done = searched(planOf(14, seed), 1, (one) => {
      const trial = flat({ ...one, index: one.index + 100 * seed });
      return { ...trial, index: one.index };
    });
    if (best(done)!.better) taken += 1;
  }
  assert.ok(taken <= 2, `${taken} of 20: the best of several is a little better by chance alone`);
  assert.equal(
    best(searched(planOf(14), 1, (one) => ({ ...made({ ...one, settings: {} }, 0), ...one })))!.better,
    false,
  );
});

test('what tells out of scope better by chance is not taken, and what tells it clearly worse neither', () => {
  const withAuroc = (of: (one: Attempt) => number) => (one: Attempt) => {
    const trial = made({ ...one, settings: {} }, 0);
    return { ...trial, ...one, figures: { ...trial.figures!, auroc: of(one) } };
  };
  const shaken = searched(
    planOf(32),
    1,
    withAuroc(({ index }) => 0.9 + 0.02 * new Random(index).normal()),
  );
  assert.equal(best(shaken)!.better, false);
  assert.ok(effects({ space, present }, shaken).every(({ shows }) => shows === 'nothing'));
  const blind = searched(planOf(40), 1, (one) => ({
    ...made(one),
    figures: { ...made(one).figures!, auroc: one.index === 0 ? 0.9 : 0.8 },
  }));
  assert.equal(best(blind)!.better, false);
});

test('a trial goes on as it was begun, however late the others end', () => {
  const plan = planOf(32);
  const early = attempts(plan, []);
  // All but the recipe as it is.
  let done: Trial[] = [];
  for (;;) {
    const open = attempts(plan, done).filter(({ index }) => index !== 0);
    if (open.length === 0) break;
    done.push(...open.map((one) => made(one)));
  }
  assert.equal(Math.max(...done.map(({ index }) => index)), 4, 'nothing is drawn before it is known');
  done = searched(plan);
  const first = done.filter(({ rung }) => rung === 0);
  for (const { index, settings } of done)
    assert.deepEqual(settings, first.find((one) => one.index === index)!.settings);
  // Another build would draw otherwise.
  const other = { ...plan, seed: 9 };
  for (const { index, rung, settings } of attempts(other, first))
    if (rung > 0 && index > 0) assert.deepEqual(settings, first.find((one) => one.index === index)!.settings);
  assert.equal(early.length, 3 + 4);
});

test('settings that can’t be trained are judged on no more, and the search ends all the same', () => {
  const done = searched(planOf(32), 3, (one) =>
    one.settings.depth === 5 ? { ...one, figures: null, of: 0, wrong: [], seconds: 0 } : made(one),
  );
  assert.ok(done.filter(({ rung }) => rung > 0).every(({ figures }) => figures));
  assert.notEqual(best(done)!.after.settings.depth, 5);
  const none = searched(planOf(12), 1, (one) => ({ ...one, figures: null, of: 0, wrong: [], seconds: 0 }));
  assert.equal(best(none), null);
  assert.deepEqual(effects({ space, present }, none), []);
});
