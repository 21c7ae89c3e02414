import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyDialog } from '../../../functions/conversation/document.ts';
import { NONE } from '../../../functions/dialog/bot.ts';
import { flowAt } from '../conversation/flow.ts';
import { Shopper } from '../skills/talk.ts';

async function confirming(): Promise<Shopper> {
  const talk = new Shopper();
  const { text, replies } = await talk.say('cancel 10022', 'order_cancel');
  assert.match(text, /Shall I cancel order ORD-10022 \(Rice cooker/);
  assert.deepEqual(replies[0]!.suggestions, ['Yes, cancel it', 'No, keep it']);
  return talk;
}

test('only a clear yes cancels, in any language', async () => {
  for (const text of ['yes', 'Yes, cancel it', '네', '네, 취소해 주세요', 'ㅇㅇ', 'yep do it pls']) {
    const talk = await confirming();
    await talk.say(text, 'yes');
    assert.deepEqual(talk.cancelled, ['ORD-10022'], text);
    assert.equal(talk.dialog.flow, null);
  }
});

test('whatever else is said, and whatever the model takes it for, cancels nothing and names both choices', async () => {
  for (const text of [
    'ok leave it',
    'yes i changed my mind, leave it as is',
    'no, i said cancel it!',
    'maybe',
    '네 그런데요',
    'yes if it is free',
    '👍',
    'why',
  ])
    for (const intent of ['yes', 'no', 'order_cancel', NONE]) {
      const talk = await confirming();
      const { text: answer, replies } = await talk.say(text, intent, 'en');
      assert.deepEqual(talk.cancelled, [], `${text} ${intent}`);
      assert.match(answer, /Yes, cancel it – or: No, keep it/, `${text} ${intent}`);
      assert.equal(replies[0]!.suggestions?.length, 2);
      await talk.say('yes', 'yes');
      assert.deepEqual(talk.cancelled, ['ORD-10022'], 'it may still be confirmed');
    }
});

test('a no keeps the order', async () => {
  for (const text of ['no', 'No, keep it', '아니요', '취소하지 마세요', 'never mind', '그만할래요']) {
    const talk = await confirming();
    await talk.say(text, 'yes');
    assert.deepEqual(talk.cancelled, [], text);
    assert.equal(talk.dialog.flow, null, text);
    await talk.say('yes', 'yes');
    assert.deepEqual(talk.cancelled, [], 'a later yes is to nothing');
  }
});

test('another order is named at the confirmation: that one is shown, and only what is shown last is cancelled', async () => {
  for (const text of ['sorry, i meant 10021', '10021', 'the running shoes', '러닝화요', 'the first one', 'ORD-10021']) {
    const talk = await confirming();
    const { text: answer } = await talk.say(text, NONE, 'en');
    assert.match(answer, /Shall I cancel order ORD-10021/, text);
    assert.deepEqual(talk.cancelled, []);
    await talk.say('yes');
    assert.deepEqual(talk.cancelled, ['ORD-10021'], text);
  }
});

test('an order that is another than what was shown is shown again before it is cancelled', async () => {
  const talk = await confirming();
  talk.orders[1] = { ...talk.orders[1]!, total: 99_000 };
  const { text } = await talk.say('yes');
  assert.match(text, /Shall I cancel order ORD-10022.*99,000/);
  assert.deepEqual(talk.cancelled, []);
  await talk.say('yes');
  assert.deepEqual(talk.cancelled, ['ORD-10022']);
});

test('a scenario of a document from before asks again, for nobody knows what was shown', async () => {
  const talk = new Shopper();
  talk.dialog = {
    ...emptyDialog,
    flow: { ...flowAt('shall_i', 'ORD-10022'), updatedAt: talk.now },
  };
  assert.match((await talk.say('yes')).text, /Shall I cancel order ORD-10022/);
  assert.deepEqual(talk.cancelled, []);
});

test('a question in between is answered, and the bot comes back to its own', async () => {
  const talk = await confirming();
  const hours = await talk.say('when do you open?', 'store_hours');
  assert.equal(hours.skill, 'answer');
  assert.equal(hours.replies.length, 2);
  assert.match(hours.replies[1]!.text, /^Back to cancelling order ORD-10022/);
  const products = await talk.say('do you have sofas?', 'product_search');
  assert.match(products.text, /Back to cancelling order ORD-10022/);
  await talk.say('thanks', 'thanks');
  await talk.say('yes');
  assert.deepEqual(talk.cancelled, ['ORD-10022']);
});

test('while the bot waits for which order, a question is answered too', async () => {
  const talk = new Shopper();
  await talk.say('cancel my order', 'order_cancel');
  assert.match(
    (await talk.say('when do you open?', 'store_hours')).text,
    /Back to your orders: which one do you mean\?$/,
  );
  assert.match((await talk.say('the rice cooker')).text, /Shall I cancel order ORD-10022/);
});

test('a moment is waited for, what was asked is said again, and who stops has stopped', async () => {
  const talk = await confirming();
  assert.match((await talk.say('잠깐만')).text, /기다릴게요/);
  assert.match((await talk.say('네?')).text, /취소할까요/);
  assert.deepEqual(talk.cancelled, []);
  assert.match((await talk.say('start over')).text, /Nothing was changed/);
  assert.equal(talk.dialog.flow, null);
});

test('another wish about orders, or for a person, ends what was open', async () => {
  const talk = await confirming();
  assert.match(
    (await talk.say('where is 10021?', 'order_status')).text,
    /Shall I cancel order ORD-10021|is being packed/,
  );
  const other = await confirming();
  assert.equal((await other.say('I want to talk to a person', 'person')).skill, 'person');
  assert.equal(other.dialog.flow, null);
});

test('what can not be told is asked three times, and then left as it is with a person offered', async () => {
  const talk = await confirming();
  await talk.say('hmm');
  await talk.say('hmm hmm');
  const { text, replies } = await talk.say('hmmm');
  assert.match(text, /stays as it is/);
  assert.deepEqual(replies[0]!.suggestions, ['Talk to a person']);
  assert.equal(talk.dialog.flow, null);
  assert.deepEqual(talk.cancelled, []);
  const which = new Shopper();
  await which.say('cancel my order', 'order_cancel');
  assert.match((await which.say('99999')).text, /can't find the order 99999[\s\S]*1\. ORD-10021/);
  assert.match((await which.say('10021 or 10022')).text, /I'm not sure which of these you mean/);
  assert.match((await which.say('77777')).text, /Nothing was changed/);
  assert.equal(which.dialog.flow, null);
});

test('the same tap twice changes nothing', async () => {
  const talk = new Shopper();
  await talk.say('cancel my order', 'order_cancel');
  await talk.say('ORD-10022');
  const { text } = await talk.say('ORD-10022');
  assert.match(text, /shall I cancel order ORD-10022/i);
  await talk.say('yes');
  await talk.say('yes', 'yes');
  assert.deepEqual(talk.cancelled, ['ORD-10022']);
});
