import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Understanding } from '../../../functions/conversation/document.ts';
import { emptyDialog } from '../../../functions/conversation/document.ts';
import { conversationId, customerId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { FAQ, NONE } from '../../../functions/dialog/bot.ts';
import { choose } from '../../../functions/skills/choose.ts';
import { apology } from '../../../functions/skills/fallback.ts';
import { skills } from '../../../functions/skills/index.ts';
import { queuedSkills } from '../../../functions/skills/names.ts';
import type { Question } from '../../../functions/skills/skill.ts';
import { bot } from '../../bot.ts';
import { flowAt } from '../conversation/flow.ts';
import { Shopper } from './talk.ts';

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
    speaker: { kind: 'bot' },
    callback: null,
    history: [],
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

describe('the FAQ', () => {
  const model = { name: 'm', version: '1' };
  const faq = (...top: [string, number][]) => {
    const [[entry, score]] = top as [[string, number]];
    return { entry, score, top: top.map(([one, of]) => ({ entry: one, score: of })), model };
  };
  const wifi = { intent: FAQ, score: 0.9, top: [], model, faq: faq(['shop_wifi', 0.9], ['pets_in_shops', 0.2]) };
  const say = async (understanding: Understanding, text = 'x') => await new Shopper().hear(text, understanding, 'en');
  const offered = ({ replies }: Awaited<ReturnType<typeof say>>) => replies.at(-1)?.suggestions ?? [];
  const question = (entry: string) => bot.faq.get(entry)!.question.en!;

  test('an entry is answered, in the language of the turn, and is no miss', async () => {
    const shopper = new Shopper();
    await shopper.say('hm', NONE);
    assert.equal(shopper.dialog.misses, 1);
    const { skill, replies } = await shopper.hear('와이파이', wifi, 'ko');
    assert.deepEqual([skill, replies], ['faq', [{ text: bot.faq.get('shop_wifi')!.answer.ko }]]);
    assert.equal(shopper.dialog.misses, 0);
  });

  test('an entry that the content no longer has is not understood', async () => {
    const { skill } = await say({ ...wifi, faq: faq(['gone', 0.9]) });
    assert.equal(skill, 'fallback');
  });

  test('beside an intent that was likelier, its question is offered; where it is unlikely, nothing is', async () => {
    const hours = { intent: 'store_hours', score: 0.9, top: [], model };
    const close = await say({ ...hours, faq: faq(['shop_wifi', 0.6]) });
    assert.equal(close.replies.at(-1)!.text, bot.say('en', 'did_you_mean'));
    assert.equal(offered(close)[0], question('shop_wifi'));
    assert.deepEqual((await say({ ...hours, faq: faq([NONE, 0.2]) })).replies.length, 1);
    assert.deepEqual((await say({ ...hours, faq: faq(['shop_wifi', 0.35]) })).replies.length, 1, 'far behind');
    assert.deepEqual((await say(hours)).replies.length, 1);
  });

  test('beside an entry, the intent that it was likelier than, and the next entry where it is not sure', async () => {
    assert.equal((await say(wifi)).replies.length, 1, 'it is sure');
    const unsure = await say({
      ...wifi,
      rival: { intent: 'store_hours', score: 0.5 },
      faq: faq(['shop_wifi', 0.6], ['pets_in_shops', 0.2]),
    });
    assert.deepEqual(offered(unsure), [bot.intents.get('store_hours')!.utterances.en![0], question('pets_in_shops')]);
    const certain = { ...wifi, faq: faq(['shop_wifi', 0.99]), rival: { intent: 'store_hours', score: 0.6 } };
    assert.equal((await say(certain)).replies.length, 1, 'it is certain');
    const talk = await say({ ...wifi, rival: { intent: 'yes', score: 0.5 } });
    assert.equal(talk.replies.length, 1, 'a yes is nothing to offer');
  });

  test('a plain answer of the FAQ stands beside the wish that is served first', async () => {
    const hours = { intent: 'store_hours', score: 0.9, negated: false };
    const wish = { intent: FAQ, entry: 'shop_wifi', score: 0.9, negated: false };
    const both = await say({ ...hours, top: [], model, faq: faq(['shop_wifi', 0.9]), wishes: [hours, wish] });
    assert.equal(both.replies[1]!.text, bot.faq.get('shop_wifi')!.answer.en);
    const cancel = { intent: 'order_cancel', score: 0.9, negated: false };
    const first = await say({ ...cancel, top: [], model, wishes: [cancel, wish] }, 'cancel');
    assert.equal(first.replies[0]!.text, bot.faq.get('shop_wifi')!.answer.en, 'before what the flow asks');
  });

  test('in a flow that waits, an entry that is not sure is asked again, and a sure one is answered beside it', async () => {
    const shopper = new Shopper();
    await shopper.say('cancel an order', 'order_cancel');
    const unsure = await shopper.hear('the electric one', { ...wifi, score: 0.5, faq: faq(['shop_wifi', 0.5]) }, 'en');
    assert.equal(unsure.skill, 'flow');
    assert.doesNotMatch(unsure.text, /Maru_Guest/);
    const sure = await shopper.hear('is there wifi', { ...wifi, rival: { intent: 'store_hours', score: 0.5 } }, 'en');
    assert.equal(sure.skill, 'faq');
    assert.deepEqual(
      sure.replies.map(({ text }) => text === bot.say('en', 'did_you_mean')),
      [false, false],
      'the question that comes back is the last to be tapped',
    );
  });

  test('an answer to a flow, and a question whose answer is final, have nothing else beside them', async () => {
    const shopper = new Shopper();
    await shopper.say('cancel an order', 'order_cancel');
    const asked = await shopper.hear('the second one', { ...wifi, score: 0.88, faq: faq(['shop_wifi', 0.88]) }, 'en');
    assert.equal(asked.skill, 'flow');
    assert.deepEqual(asked.replies.at(-1)!.suggestions!.length, 2, 'yes and no');
    const direct = new Shopper();
    const cancel = { intent: 'order_cancel', score: 0.9, top: [], model, faq: faq(['minors_purchases', 0.6]) };
    const { replies } = await direct.hear('cancel ORD-10022', cancel, 'en');
    assert.deepEqual(replies.at(-1)!.suggestions!.length, 2, 'yes and no');
  });

  test('where a flow asks, it stands among what may be tapped', async () => {
    const cancel = { intent: 'order_cancel', score: 0.9, top: [], model, faq: faq(['minors_purchases', 0.6]) };
    const { replies } = await say(cancel, 'cancel');
    assert.equal(replies.length, 1);
    assert.equal(replies[0]!.suggestions?.at(-1), question('minors_purchases'));
    assert.ok(replies[0]!.suggestions!.length > 1, 'beside the orders');
  });

  test('of what was not understood, the likeliest of both are offered', async () => {
    const top = [
      { intent: 'store_hours', score: 0.3 },
      { intent: 'greeting', score: 0.29 },
      { intent: 'points', score: 0.05 },
    ];
    const said = await say({
      intent: NONE,
      score: 0.3,
      top,
      model,
      faq: { ...faq(['shop_wifi', 0.2], ['pets_in_shops', 0.01]), entry: NONE },
    });
    assert.deepEqual(offered(said), [
      bot.intents.get('store_hours')!.utterances.en![0],
      question('shop_wifi'),
      bot.intents.get('points')!.utterances.en![0],
      bot.say('en', 'ask_person'),
    ]);
    const nothing = await say({
      intent: NONE,
      score: 0.1,
      top: [],
      model,
      faq: { ...faq(['shop_wifi', 0.05]), entry: NONE },
    });
    assert.deepEqual(offered(nothing), [bot.say('en', 'ask_person')], 'what is unlikely is no help');
  });
});
