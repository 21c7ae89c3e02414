import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Asked, verdictOf } from '../../../functions/training/job/verdict.ts';

/** What is said of a model beside the one that is live. */
const gates = { inside: 0.02, outside: 0.05, agreement: 0.5 };
const INTENTS = ['hours', 'returns', 'delivery', 'none'];
/** Fifty of each. */
const known = INTENTS.flatMap((intent) => Array.from({ length: 50 }, (_, at) => ({ text: `${intent} ${at}`, intent })));
const perfect = known.map(({ intent }) => intent);
const saying = (labels: readonly string[], score = 0.95): Asked['intents']['after'] =>
  labels.map((label) => ({ label, top: label === 'none' ? 'hours' : label, score: label === 'none' ? 0.1 : score }));
/** The labels with the first so many of an intent taken for another. */
const wrong = (of: string, count: number, as = 'delivery') => {
  let left = count;
  return perfect.map((intent) => {
    if (intent !== of || left === 0) return intent;
    left -= 1;
    return as;
  });
};
const asked = (before: readonly string[] | null, after: readonly string[], more: Partial<Asked> = {}): Asked => ({
  intents: { known, before, after: saying(after) },
  faq: null,
  log: null,
  threshold: 0.5,
  ...more,
});

test('what is as good or better goes on by itself', () => {
  assert.deepEqual(verdictOf(asked(perfect, perfect), gates).reasons, []);
  const better = verdictOf(asked(wrong('hours', 20), perfect), gates);
  assert.deepEqual([better.reasons, better.intents!.better], [[], 20]);
});

test('a model whose labels were shuffled never passes, and nobody may let it', () => {
  const shuffled = perfect.map((_, at) => INTENTS[(at * 7) % INTENTS.length]!);
  const { reasons, mayPass } = verdictOf(asked(perfect, shuffled), gates);
  assert.equal(mayPass, false);
  assert.match(reasons[0]!, /of 150 utterances that people have judged/);
});

test('what refuses less of what is of no intent does not pass', () => {
  const { reasons, mayPass } = verdictOf(asked(perfect, wrong('none', 10, 'hours')), gates);
  assert.equal(mayPass, false);
  assert.match(reasons[0]!, /of 50 that are of no intent 80\.0% are refused/);
});

test('better on the whole and worse on one intent: it says so, and waits for a person', () => {
  const after = wrong('returns', 12);
  const { reasons, mayPass, worse } = verdictOf(asked(wrong('hours', 30), after), gates);
  assert.equal(mayPass, true);
  assert.deepEqual(worse, [{ intent: 'returns', of: 50, before: 50, after: 38 }]);
  assert.match(reasons.join(), /of 50 utterances of “returns” 38 are right, and 50 are/);
});

test('where little is there to judge by, or nothing is live, a person says whether it goes on', () => {
  const few = { known: known.slice(0, 4), before: perfect.slice(0, 4), after: saying(perfect.slice(0, 4)) };
  assert.match(verdictOf(asked(perfect, perfect, { intents: few }), gates).reasons.join(), /only 4 utterances/);
  const first = verdictOf(asked(null, perfect), gates);
  assert.match(first.reasons.join(), /nothing is live/);
  assert.equal(first.mayPass, true);
});

test('the FAQ has its own say; messages that most are understood otherwise, and scores that mean nothing, ask for a person', () => {
  const rows = known.slice(0, 50);
  const faq = { known: rows, before: rows.map(({ intent }) => intent), after: rows.map(() => 'other') };
  const refused = verdictOf(asked(perfect, perfect, { faq }), gates);
  assert.deepEqual([refused.mayPass, /^the FAQ: /.test(refused.reasons[0]!)], [false, true]);

  const unasked = verdictOf(asked(perfect, perfect, { faq: { ...faq, before: null } }), gates);
  assert.deepEqual([unasked.mayPass, unasked.reasons], [true, ['the FAQ that is live could not be asked']]);

  const log = { before: Array(100).fill('hours'), after: [...Array(40).fill('hours'), ...Array(60).fill('returns')] };
  assert.match(verdictOf(asked(perfect, perfect, { log }), gates).reasons.join(), /60 of the last 100 messages/);
  const few = { before: log.before.slice(60), after: log.after.slice(60) };
  assert.deepEqual(verdictOf(asked(perfect, perfect, { log: few }), gates).reasons, [], 'forty say nothing of a share');

  const unsure = { known, before: perfect, after: saying(perfect, 0.55) };
  assert.match(verdictOf(asked(perfect, perfect, { intents: unsure }), gates).reasons.join(), /scores are off by 45/);
});
