import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Understanding } from '../../../functions/conversation/document.ts';
import { NONE, NOT } from '../../../functions/dialog/bot.ts';
import { partsOf, weigh } from '../../../functions/dialog/wishes.ts';
import { bot } from '../../bot.ts';

test('a message is taken apart at its signs and at words that join, and a single wish is left whole', () => {
  assert.deepEqual(partsOf(bot, "Where's my jacket? And do you have gloves"), [
    "Where's my jacket",
    'And do you have gloves',
  ]);
  assert.deepEqual(partsOf(bot, 'i dont need a human just tell me when u close'), [
    'i dont need a human',
    'just tell me when u close',
  ]);
  assert.deepEqual(partsOf(bot, '반품 말고 교환이요'), ['반품 말고', '교환이요']);
  assert.deepEqual(partsOf(bot, '환불말고 같은옷 라지로 바꿔달라구요'), ['환불말고', '같은옷 라지로 바꿔달라구요']);
  assert.deepEqual(partsOf(bot, '안녕하세요~ 로그인이 안돼요'), ['안녕하세요', '로그인이 안돼요']);
  for (const text of ['where is my order?', 'I paid 89,000 won at 10:30', '배송 언제 와요', '???', '', 'a.b'])
    assert.deepEqual(partsOf(bot, text), [], text);
  assert.ok(partsOf(bot, 'and this, '.repeat(400)).length <= 6);
});

/** What a text is taken for, and what it may be as well. */
const heard = (intent: string, score = 0.9, ...others: string[]): Understanding => ({
  intent,
  score,
  top: [{ intent, score }, ...others.map((other) => ({ intent: other, score: 0.1 }))],
  model: { name: 'm', version: '1' },
});
const meant = (whole: Understanding, ...parts: Understanding[]) => {
  const { intent, wishes = [] } = weigh(bot, whole, parts);
  return [intent, ...wishes.map((wish) => (wish.negated ? `not` : wish.intent))];
};

test('what is denied is not wished, whatever the whole is taken for', () => {
  assert.deepEqual(meant(heard('order_cancel'), heard(NOT), heard('order_status')), [
    'order_status',
    'not',
    'order_status',
  ]);
  assert.deepEqual(meant(heard(NOT), heard(NOT), heard('exchange_item')), ['exchange_item', 'not', 'exchange_item']);
  assert.deepEqual(meant(heard('person'), heard(NOT), heard(NONE, 0.2)), [NOT, 'not']);
  assert.deepEqual(meant(heard(NOT)), [NOT]);
  assert.deepEqual(
    meant(heard('order_cancel'), heard(NOT, 0.3), heard('order_cancel')),
    ['order_cancel'],
    'an unlikely one denies nothing',
  );
});

test('several wishes stand in their order; small talk beside one is none', () => {
  assert.deepEqual(meant(heard('stock', 0.9, 'order_status'), heard('order_status'), heard('stock')), [
    'order_status',
    'order_status',
    'stock',
  ]);
  assert.deepEqual(meant(heard('greeting'), heard('greeting'), heard('account_login')), [
    'account_login',
    'account_login',
  ]);
  assert.deepEqual(meant(heard(NONE, 0.3), heard('greeting'), heard('account_login')), [
    'account_login',
    'account_login',
  ]);
  assert.deepEqual(
    meant(heard('stock', 0.9, 'order_status'), heard('stock'), heard('order_status', 0.65)),
    ['stock'],
    'what is only likely is not served beside it',
  );
  assert.deepEqual(meant(heard('order_status')), ['order_status']);
});

test('an opening that looks like a wish by itself hides none: the whole does not show it', () => {
  const opening = heard('membership', 0.95);
  assert.deepEqual(meant(heard('stock', 0.9, 'product_search', 'coupons', 'membership'), opening, heard('stock')), [
    'stock',
  ]);
  assert.deepEqual(
    meant(heard('stock', 0.9, 'product_search', 'membership'), opening, heard('stock')),
    ['membership', 'membership', 'stock'],
    'what is among the likeliest of the whole is wished',
  );
});
