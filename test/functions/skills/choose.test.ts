import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyDialog } from '../../../functions/conversation/document.ts';
import { conversationId, customerId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { NONE } from '../../../functions/dialog/bot.ts';
import { choose } from '../../../functions/skills/choose.ts';
import { apology } from '../../../functions/skills/fallback.ts';
import { skills } from '../../../functions/skills/index.ts';
import { queuedSkills } from '../../../functions/skills/names.ts';
import type { Question } from '../../../functions/skills/skill.ts';
import { bot } from '../../bot.ts';
import { flowAt } from '../conversation/flow.ts';

test('every skill that is not inline has its queue', () => {
  assert.deepEqual(
    skills
      .filter((skill) => !skill.inline)
      .map((skill) => skill.name)
      .sort(),
    [...queuedSkills].sort(),
  );
});

function question(intent: string, dialog: Partial<Question['dialog']> = {}, text = 'x'): Question {
  const turn = {
    id: turnId('t'),
    givenId: 't',
    userId: userId('api', 'u'),
    customerId: customerId('demo'),
    text,
    attachments: [],
    locale: 'en',
    fingerprint: '',
    traceparent: '',
    acceptedAt: 0,
    attempts: 0,
    retryAt: 0,
  };
  const understanding = { intent, score: 0.9, top: [], model: { name: 'm', version: '1' } };
  return {
    bot,
    last: [],
    conversationId: conversationId('api', 'c'),
    turn,
    understanding,
    dialog: { ...emptyDialog, ...dialog },
    now: 1_000,
  };
}

const confirming = { ...flowAt('shall_i', 'ORD-10021'), updatedAt: 1_000 };

test('the skill is chosen by hand-over, then flow, then intent, then fallback', () => {
  const chosen = (asked: Question) => choose(asked).skill.name;
  assert.equal(chosen(question('greeting')), 'answer');
  assert.equal(chosen(question('order_status')), 'flow');
  assert.equal(chosen(question(NONE)), 'fallback');
  assert.equal(chosen(question(NONE, { misses: 1 })), 'person');
  assert.equal(chosen(question('greeting', { handover: { ticket: 'T', since: 0 } })), 'person');
  assert.equal(chosen(question('yes', { flow: confirming }, 'yes')), 'flow');
  assert.equal(chosen(question(NONE, { flow: confirming })), 'flow', 'it asks again');
  assert.equal(chosen(question('store_hours', { flow: confirming })), 'answer');
  assert.equal(chosen(question('an_intent_of_another_model')), 'fallback');
});

test('a flow that nobody went on with is forgotten', () => {
  const late = { ...question('yes', { flow: confirming }, 'yes'), now: 1_000 + 16 * 60_000 };
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
  assert.deepEqual(apology(bot, 'en', 'flow').suggestions, ['Talk to a person']);
  const { text, suggestions } = apology(bot, 'ko', 'person');
  assert.match(text, /연결할 수 없어요/);
  assert.equal(suggestions, undefined);
});
