import assert from 'node:assert/strict';
import { test } from 'node:test';
import phrases from '../../../functions/content/phrases.json' with { type: 'json' };
import { conversationId, customerId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { localeOf } from '../../../functions/conversation/locale.ts';
import { choose } from '../../../functions/skills/choose.ts';
import { intents, NONE } from '../../../functions/skills/content.ts';
import { apology } from '../../../functions/skills/fallback.ts';
import { skillNamed, skills } from '../../../functions/skills/index.ts';
import { queuedSkills } from '../../../functions/skills/names.ts';
import { named } from '../../../functions/skills/orders.ts';
import type { Question } from '../../../functions/skills/skill.ts';

test('at least 20 intents, each with utterances and answers in both languages, and a skill that exists', () => {
  assert.ok(intents.size > 20);
  for (const [name, { skill, utterances, answers, suggestions }] of intents) {
    for (const locale of ['en', 'ko'] as const) {
      assert.ok(utterances[locale].length >= 20, `${name} ${locale}`);
      if (name !== NONE) assert.ok(answers![locale].length > 0, `${name} ${locale}`);
    }
    assert.equal(suggestions?.en.length ?? 0, suggestions?.ko.length ?? 0, name);
    if (name !== NONE) skillNamed(skill ?? 'answer');
  }
});

test('no utterance stands in two intents', () => {
  const seen = new Map<string, string>();
  for (const [name, { utterances }] of intents)
    for (const utterance of [...utterances.en, ...utterances.ko].map((text) => text.toLowerCase())) {
      assert.equal(seen.get(utterance) ?? name, name, utterance);
      seen.set(utterance, name);
    }
});

test('phrases have the same values in both languages', () => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [name, { en, ko }] of Object.entries(phrases)) assert.deepEqual(values(en), values(ko), name);
});

test('every skill that is not inline has its queue', () => {
  assert.deepEqual(
    skills
      .filter((skill) => !skill.inline)
      .map((skill) => skill.name)
      .sort(),
    [...queuedSkills].sort(),
  );
});

test('the language is that of the text; order numbers and signs leave it to the conversation', () => {
  assert.equal(localeOf('배송 status 알려줘', 'en'), 'ko');
  assert.equal(localeOf('my order', 'ko'), 'en');
  assert.equal(localeOf('ORD-10021', 'ko'), 'ko');
  assert.equal(localeOf('???', 'ko'), 'ko');
  assert.equal(localeOf('ORD 10021', 'ko'), 'ko');
  assert.equal(localeOf('OK', 'ko'), 'ko');
  assert.equal(localeOf('where is it', 'ko'), 'en');
});

test("an order number with the shop's prefix is one, whoever's it is", () => {
  for (const text of ['ORD-10021', 'order ord 10021 please', 'ord10021', 'ＯＲＤ－１００２１', 'ORD‑10021 취소'])
    assert.equal(named(text), 'ORD-10021', text);
  for (const text of ['cancel my order', '10021', '#10021', 'word 12', '20241105에 주문한 거', 'ORD-1234567890'])
    assert.equal(named(text), null, text);
});

function question(intent: string, dialog: Partial<Question['dialog']> = {}, text = 'x'): Question {
  const turn = {
    id: turnId('t'),
    givenId: 't',
    userId: userId('api', 'u'),
    customerId: customerId('demo'),
    text,
    attachments: [],
    locale: 'en' as const,
    fingerprint: '',
    traceparent: '',
    acceptedAt: 0,
    attempts: 0,
    retryAt: 0,
  };
  const understanding = { intent, score: 0.9, top: [], model: { name: 'm', version: '1' } };
  return {
    conversationId: conversationId('api', 'c'),
    turn,
    understanding,
    dialog: { scenario: null, misses: 0, handover: null, ...dialog },
    now: 1_000,
  };
}

const confirming = { skill: 'orders', step: 'confirm', slots: { order: 'ORD-10021' }, updatedAt: 1_000 };

test('the skill is chosen by hand-over, then scenario, then intent, then fallback', () => {
  const chosen = (asked: Question) => choose(asked).skill.name;
  assert.equal(chosen(question('greeting')), 'answer');
  assert.equal(chosen(question('order_status')), 'orders');
  assert.equal(chosen(question(NONE)), 'fallback');
  assert.equal(chosen(question(NONE, { misses: 1 })), 'person');
  assert.equal(chosen(question('greeting', { handover: { ticket: 'T', since: 0 } })), 'person');
  assert.equal(chosen(question('yes', { scenario: confirming }, 'yes')), 'orders');
  assert.equal(chosen(question(NONE, { scenario: confirming })), 'orders', 'it asks again');
  assert.equal(chosen(question('store_hours', { scenario: confirming })), 'answer');
  assert.equal(chosen(question('an_intent_of_another_model')), 'fallback');
});

test('a scenario that nobody continued is forgotten', () => {
  const late = { ...question('yes', { scenario: confirming }, 'yes'), now: 1_000 + 16 * 60_000 };
  assert.equal(choose(late).skill.name, 'answer');
});

test('a person whom nobody has written to for a day has the conversation no more', () => {
  const DAY = 24 * 3_600_000;
  const chosen = (handover: NonNullable<Question['dialog']['handover']>) =>
    choose({ ...question('store_hours', { handover }), now: 2 * DAY });
  assert.equal(chosen({ ticket: 'T', since: DAY }).skill.name, 'person');
  assert.equal(chosen({ ticket: 'T', since: 0, last: DAY + 1 }).skill.name, 'person');
  const { skill, dialog } = chosen({ ticket: 'T', since: 0, last: DAY - 1 });
  assert.equal(skill.name, 'answer');
  assert.equal(dialog.handover, null);
});

test('where a person could not be reached, a person is not offered', () => {
  assert.deepEqual(apology('en', 'orders').suggestions, ['Talk to a person']);
  const { text, suggestions } = apology('ko', 'person');
  assert.match(text, /연결할 수 없어요/);
  assert.equal(suggestions, undefined);
});
