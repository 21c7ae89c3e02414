import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FaqFound, Understanding } from '../../../functions/conversation/document.ts';
import { Bot, FAQ, NONE, NOT } from '../../../functions/dialog/bot.ts';
import { decide, meaningOf } from '../../../functions/dialog/meaning.ts';
import { bot, content } from '../../bot.ts';

const model = { name: 'm', version: '1' };
const heard = (intent: string, score: number): Understanding => ({ intent, score, top: [{ intent, score }], model });
const found = (entry: string, score: number): FaqFound => ({
  entry,
  score,
  top: [{ entry, score }],
  model: { name: 'f', version: '2' },
});

describe('intents and FAQ, in one decision', () => {
  const decided = (intent: string, score: number, entry: string, other: number) =>
    decide(bot, heard(intent, score), [], [found(entry, other)]);

  test('whichever is likelier right; both are kept', () => {
    const faq = decided('store_hours', 0.6, 'shop_wifi', 0.8);
    assert.deepEqual([faq.intent, faq.score, faq.faq?.entry], [FAQ, 0.8, 'shop_wifi']);
    assert.deepEqual(faq.rival, { intent: 'store_hours', score: 0.6 });
    assert.equal(faq.model.name, 'f', 'whose answer it is');
    const intent = decided('store_hours', 0.8, 'shop_wifi', 0.6);
    assert.deepEqual([intent.intent, intent.score], ['store_hours', 0.8]);
    assert.equal(intent.faq?.entry, 'shop_wifi', 'the call log shows what was likely beside it');
    assert.equal(intent.rival, undefined);
  });

  test('small talk and what no intent knows are no rivals', () => {
    for (const intent of ['greeting', NONE]) {
      const { intent: said, rival } = decided(intent, 0.99, 'shop_wifi', 0.4);
      assert.deepEqual([said, rival], [FAQ, undefined], intent);
    }
    assert.equal(decided(NOT, 0.6, 'vegan_leather', 0.9).intent, FAQ);
    assert.equal(decided(NOT, 0.9, 'vegan_leather', 0.6).intent, NOT, 'what is denied is not asked for');
    assert.equal(decided('yes', 0.9, 'vegan_leather', 0.6).intent, 'yes');
  });

  test('what is refused, or is in no content any more, answers nothing', () => {
    assert.equal(decided(NONE, 0.2, NONE, 0.2).intent, NONE);
    assert.equal(decided('greeting', 0.9, 'an_entry_of_another_model', 0.9).intent, 'greeting');
    assert.equal(decide(bot, heard('greeting', 0.9), [], null).faq, undefined);
  });

  test('who asks for a person, or the bot back, is answered with no entry, however sure', () => {
    for (const intent of ['person', 'complaint', 'back_to_bot'])
      assert.equal(decided(intent, 0.8, 'shop_wifi', 1).intent, intent, intent);
  });

  test('beside a wish of another part an entry is one more wish, behind it; where no part wishes, the likelier answers', () => {
    const message = (first: Understanding, second: Understanding, ...answers: FaqFound[]) =>
      decide(bot, { ...first, score: 0.9 }, [first, second], answers);
    const cancel = heard('order_cancel', 0.92);
    const none = heard(NONE, 0.3);
    const both = message(cancel, none, found('shop_wifi', 0.97), found(NONE, 0.05), found('shop_wifi', 1));
    assert.equal(both.intent, 'order_cancel');
    assert.deepEqual(both.wishes, [
      { intent: 'order_cancel', score: 0.9, negated: false },
      { intent: FAQ, entry: 'shop_wifi', score: 1, negated: false },
    ]);
    const unsure = message(cancel, none, found('shop_wifi', 0.97), found(NONE, 0.05), found('shop_wifi', 0.6));
    assert.deepEqual([unsure.intent, unsure.wishes], ['order_cancel', undefined]);
    const own = message(
      heard('stock', 0.85),
      none,
      found('pets_in_shops', 0.95),
      found('pets_in_shops', 0.95),
      found(NONE, 0),
    );
    assert.equal(own.intent, FAQ, 'the part that looks like a wish asks for the entry');
  });

  test('of a message of several parts, the part that asks', async () => {
    const asked: string[][] = [];
    const said = await meaningOf(bot, 'Hello there! Is there wifi?', {
      intents: async (texts) => texts.map(() => heard('greeting', 0.9)),
      faq: async (texts) => {
        asked.push([...texts]);
        return texts.map((text) => (text === 'Is there wifi' ? found('shop_wifi', 0.9) : found(NONE, 0.1)));
      },
    });
    assert.deepEqual(asked, [['Hello there! Is there wifi?', 'Hello there', 'Is there wifi']]);
    assert.deepEqual([said.intent, said.faq?.entry], [FAQ, 'shop_wifi']);
  });
});

test('a question that the bot offers means its entry, whatever a model makes of it', async () => {
  const nobody = { intents: () => Promise.reject(new Error('asked')), faq: () => Promise.reject(new Error('asked')) };
  const { question } = bot.faq.get('shop_wifi')!;
  for (const text of Object.values(question)) {
    const said = await meaningOf(bot, text, nobody);
    assert.deepEqual([said.intent, said.score, said.faq?.entry], [FAQ, 1, 'shop_wifi']);
  }
});

test('a bot without a FAQ asks no model of it', async () => {
  const plain = new Bot({ ...content, faq: [] });
  const said = await meaningOf(plain, 'is there wifi', {
    intents: async (texts) => texts.map(() => heard(NONE, 0.3)),
    faq: () => Promise.reject(new Error('asked')),
  });
  assert.equal(said.intent, NONE);
  assert.equal(plain.intents.has(FAQ), false);
});
