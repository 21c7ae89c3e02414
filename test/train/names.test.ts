import assert from 'node:assert/strict';
import { test } from 'node:test';
import { names } from '../../scripts/train/messages.ts';

/** The name of an intent is an utterance of it, where there are few. */
const few = (intents: string[], count = 5) =>
  intents.flatMap((intent) => Array.from({ length: count }, (_, index) => ({ text: `${intent} ${index}`, intent })));

test('names are spoken as words, in any manner of writing them', () => {
  assert.deepEqual(names(few(['order_status', 'orderCancel', 'return-item', 'faq.wool', '주문_조회'])), [
    { text: 'order status', intent: 'order_status' },
    { text: 'order cancel', intent: 'orderCancel' },
    { text: 'return item', intent: 'return-item' },
    { text: 'faq wool', intent: 'faq.wool' },
    { text: '주문 조회', intent: '주문_조회' },
  ]);
});

test('a number is no name, nor are what nobody knows and what is denied', () => {
  assert.deepEqual(names(few(['17', 'a1', 'none', 'not'])), []);
});

test('where a name is an utterance already, or there are twenty utterances an intent, it adds nothing', () => {
  assert.deepEqual(names([...few(['refund']), { text: 'Refund', intent: 'refund' }]), []);
  assert.deepEqual(names(few(['refund', 'order_status'], 20)), []);
  assert.equal(names(few(['refund', 'order_status'], 19)).length, 2);
});
