import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AnsweredTurn, Conversation, Turn, Understanding } from '../../../functions/conversation/document.ts';
import { NONE, NOT } from '../../../functions/dialog/bot.ts';
import { questionOf } from '../../../functions/queues/question.ts';
import { bot } from '../../bot.ts';

/** What a tap says of the message before it: another way to say what was tapped, or nothing. */
const model = { name: 'm', version: '1' };
const hours = bot.intents.get('store_hours')!.utterances.en![0]!;
const cancel = bot.intents.get('order_cancel')!.utterances.en![0]!;
const wifi = bot.faq.get('shop_wifi')!.question.en!;
const person = bot.say('en', 'ask_person');
const faq = { entry: 'shop_wifi', score: 0.6, top: [{ entry: 'shop_wifi', score: 0.6 }], model };

function meant(before: { skill: string; understanding: Understanding; suggestions: string[] }, tapped: string) {
  const turn = { userId: 'u', text: tapped, locale: 'en' } as unknown as Turn;
  const answered = {
    ...turn,
    text: 'what I said',
    skill: before.skill,
    understanding: before.understanding,
    replies: [{ text: 'an answer' }, { text: 'x', suggestions: before.suggestions }],
  } as AnsweredTurn;
  const document = { id: 'c', recent: [answered], dialogs: {} } as unknown as Conversation;
  return questionOf(bot, document, turn, null, 0).meant;
}
const understood = (intent: string, top: string[] = [], more: Partial<Understanding> = {}): Understanding => ({
  intent,
  score: 0.5,
  top: top.map((one) => ({ intent: one, score: 0.3 })),
  model,
  ...more,
});

describe('a tap', () => {
  const missed = { skill: 'fallback', suggestions: [hours, wifi, person] };

  test('on what was guessed is another way to say it: an intent, or a question of the FAQ', () => {
    const understanding = understood(NONE, ['store_hours'], { faq: { ...faq, entry: NONE } });
    for (const text of [hours, wifi]) assert.equal(meant({ ...missed, understanding }, text), 'what I said');
  });

  test('on the question that was offered behind an answer is one, too', () => {
    const before = {
      skill: 'answer',
      understanding: understood('store_hours', [], { faq }),
      suggestions: [wifi, cancel],
    };
    assert.equal(meant(before, wifi), 'what I said');
  });

  test('on a person, on what follows an answer, after a denial, or on nothing that was shown says nothing', () => {
    const understanding = understood(NONE, ['store_hours']);
    assert.equal(meant({ ...missed, understanding }, person), undefined);
    const answer = {
      skill: 'answer',
      understanding: understood('store_hours', [], { faq }),
      suggestions: [wifi, cancel],
    };
    assert.equal(meant(answer, cancel), undefined);
    const denied = {
      skill: 'fallback',
      understanding: understood(NOT, ['order_cancel']),
      suggestions: [cancel, person],
    };
    assert.equal(meant(denied, cancel), undefined);
    assert.equal(meant({ ...missed, understanding, suggestions: [person] }, hours), undefined);
    assert.equal(meant({ ...missed, understanding }, 'something else'), undefined);
  });
});
