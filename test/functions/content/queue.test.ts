import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, groupsOf, isJudge, type Reviewed } from '../../../functions/content/queue.ts';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';

let serial = 0;
const turn = (text: string, more: Partial<Reviewed> = {}): Reviewed => {
  serial += 1;
  const understanding = { intent: 'store_hours', score: 0.9, top: [], model: { name: 'intents', version: '1' } };
  return {
    id: turnId(`t${serial}`),
    conversationId: conversationId('api', 'c'),
    userId: userId('api', 'u'),
    givenId: 'k',
    text,
    locale: 'en',
    answeredAt: serial,
    understanding,
    skill: 'answer',
    outcome: 'answered',
    replies: [],
    ...more,
  };
};
const top = (one: number, other: number) => ({
  intent: 'a',
  score: one,
  top: [
    { intent: 'a', score: one },
    { intent: 'b', score: other },
  ],
  model: { name: 'intents', version: '1' },
});

test('what needs a look comes first by how much it does; what was answered surely needs none', () => {
  const groups = groupsOf([
    turn('fine'),
    turn('unsure', { understanding: top(0.5, 0.45) }),
    turn('missed', { skill: 'fallback' }),
    turn('bad', { feedback: { rating: 'down', at: 1 } }),
    turn('a person please', { handover: 'person', skill: 'person' }),
    turn('to a person', { skill: 'listener' }),
    turn('x'.repeat(201), { skill: 'fallback' }),
    turn('  ', { skill: 'fallback' }),
  ]);
  assert.deepEqual(
    groups.map(({ text, reasons }) => [text, reasons]),
    [
      ['bad', ['thumbs_down']],
      ['missed', ['not_understood']],
      ['a person please', ['handed_over']],
      ['unsure', ['unsure']],
    ],
  );
});

test('the same thing is looked at once, whoever said it and however it was written; often is more', () => {
  const groups = groupsOf([
    turn('Where IS it?!', { skill: 'fallback' }),
    turn('once', { skill: 'fallback' }),
    turn('where is it', { skill: 'fallback' }),
    turn('where is it', { skill: 'fallback', locale: 'ko' }),
  ]);
  assert.deepEqual(
    groups.map(({ turns }) => turns.length),
    [2, 1, 1],
  );
  assert.equal(groupId('환불 언제?', 'ko'), groupId('환불  언제', 'ko'));
  assert.notEqual(groupId('a', 'en'), groupId('a', 'ko'));
});

test('two models that understand the same text otherwise disagree', () => {
  const other = { ...top(0.9, 0.1), intent: 'b' };
  const [group] = groupsOf([turn('which', { understanding: other }), turn('which', { understanding: top(0.9, 0.1) })]);
  assert.deepEqual(group!.reasons, ['disagreement']);
});

test('a fifth judges, by what it says, however it is written: nothing judges and trains', () => {
  const texts = Array.from({ length: 2_000 }, (_, at) => `text ${at}`);
  const share = texts.filter(isJudge).length / texts.length;
  assert.ok(Math.abs(share - 0.2) < 0.03, String(share));
  for (const [one, other] of [
    ['환불 해줘', '환불해줘'],
    ['Where is it?', 'where is it'],
  ] as const)
    assert.equal(isJudge(one), isJudge(other));
});

test('signs alone, and texts whose vowels are marks, are each their own', () => {
  assert.equal(new Set(['👍', '😡', '???'].map((text) => groupId(text, 'en'))).size, 3);
  assert.notEqual(groupId('कि', 'hi'), groupId('का', 'hi'));
});
