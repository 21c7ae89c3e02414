import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { emptyDialog } from '../../../functions/conversation/document.ts';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { Bot } from '../../../functions/dialog/bot.ts';
import { Rejected, Unavailable } from '../../../functions/services/failure.ts';
import { images } from '../../../functions/skills/images.ts';
import type { Outside, Question } from '../../../functions/skills/skill.ts';
import { bot } from '../../bot.ts';
import { flowAt } from '../conversation/flow.ts';

/** What the bot makes of pictures that are sent to it. */
const ABOUT = ['My item arrived damaged', 'I want to return this', 'Talk to a person'];

function sent(more: Partial<Question['turn']> = {}, question: Partial<Question> = {}): Question {
  return {
    bot,
    last: [],
    speaker: { kind: 'bot' },
    callback: null,
    history: [],
    conversationId: conversationId('api', 'c'),
    understanding: null,
    dialog: emptyDialog,
    now: 1_000,
    ...question,
    turn: {
      id: turnId('t'),
      givenId: 't',
      userId: userId('api', 'u'),
      customerId: null,
      text: '',
      attachments: [{ name: 'shoe.jpg', contentType: 'image/jpeg', url: 'https://channel/1' }],
      locale: 'en',
      fingerprint: '',
      traceparent: '',
      acceptedAt: 0,
      attempts: 0,
      retryAt: 0,
      ...more,
    },
  };
}

/** A world in which a picture is looked at as `label`, with the shop's answers; notes what was searched for. */
function world(label: string | null, options: string[] = []) {
  const searched: string[] = [];
  const looked: number[] = [];
  const outside = {
    act: async (_bot: unknown, action: string, { text }: { text: string }) => {
      assert.equal(action, 'search_products');
      searched.push(text);
      return options.length > 0
        ? {
            result: 'found',
            options: options.map((name) => ({
              value: name,
              names: [name],
              values: {
                name: { text: { en: name, ko: name } },
                price: { money: 1_000 },
                stock: { phrase: 'in_stock' },
              },
            })),
          }
        : { result: 'none' };
    },
    attachments: {
      keep: async (_conversation: unknown, turn: Question['turn'], index: number) => {
        if (turn.attachments[index]!.contentType === 'text/plain') throw new Rejected('attachments', 'not a picture');
        return {
          name: 'shoe.jpg',
          contentType: 'image/jpeg',
          picture: Buffer.alloc(2_048, index),
          url: `https://kept/${index}`,
        };
      },
      look: async ({ picture }: { picture: Buffer }, model: string) => {
        assert.equal(model, 'garments');
        looked.push(picture[0]!);
        return label;
      },
    },
  } as unknown as Outside;
  return { outside, searched, looked };
}
const texts = (replies: { text: string }[]) => replies.map(({ text }) => text);

describe('a picture without a word', () => {
  test('that the model knows: it says what it looks like, and looks for that in the shop', async () => {
    const { outside, searched } = world('Sneaker', ['Running sneakers']);
    const { replies, dialog } = await images.run(sent(), outside);
    assert.deepEqual(searched, ['sneakers']);
    const [kept, looks, ...found] = texts(replies);
    assert.match(kept!, /received your picture shoe\.jpg/);
    assert.equal(looks, 'That looks like sneakers.');
    assert.ok(found.length > 0 && JSON.stringify(replies).includes('Running sneakers'), JSON.stringify(replies));
    assert.deepEqual(replies.at(-1)!.suggestions?.slice(-3), ABOUT, 'it may be about something else');
    assert.deepEqual([dialog.flow, dialog.misses], [null, 0]);
  });

  test('in Korean, with nothing like it in the shop', async () => {
    const { outside, searched } = world('Ankle boot');
    const { replies } = await images.run(sent({ locale: 'ko' }), outside);
    assert.deepEqual(searched, ['부츠']);
    assert.equal(texts(replies)[1], '사진은 부츠처럼 보여요.');
    assert.equal(replies.length, 3);
  });

  for (const [what, label] of [
    ['is nothing that it knows', 'none'],
    ['can’t be looked at now', null],
    ['has a label without a name', 'Hat'],
  ] as const)
    test(`that ${what}: it asks what it is about, as ever`, async () => {
      const { outside, searched } = world(label);
      const { replies } = await images.run(sent(), outside);
      assert.deepEqual([texts(replies)[1], replies[1]!.suggestions, searched], ['What is it about?', ABOUT, []]);
    });

  test('and the shop is away: it asks what it is about, and the turn does not fail', async () => {
    const { outside } = world('Sneaker');
    const away = { ...outside, act: async () => Promise.reject(new Unavailable('shop', 'away')) } as unknown as Outside;
    const { replies } = await images.run(sent(), away);
    assert.equal(texts(replies)[1], 'What is it about?');
  });

  test('beside a file that is none: the picture is looked at, and the file is said', async () => {
    const attachments = [
      { name: 'a.txt', contentType: 'text/plain', url: 'https://channel/0' },
      { name: 'b.jpg', contentType: 'image/jpeg', url: 'https://channel/1' },
    ];
    const { outside, looked } = world('Bag');
    const { replies } = await images.run(sent({ attachments }), outside);
    assert.deepEqual(looked, [1]);
    assert.match(texts(replies)[0]!, /can't take a\.txt/);
  });
});

test('a picture is not looked at where something else is talked about, nor by a bot that has no model for it', async () => {
  const { outside, looked } = world('Sneaker');
  const flow = { ...flowAt('shall_i', 'ORD-10021'), updatedAt: 1_000 };
  await images.run(sent({}, { dialog: { ...emptyDialog, flow } }), outside);
  const { pictures: _, ...about } = bot.content.about;
  await images.run(sent({}, { bot: new Bot({ ...bot.content, about }) }), outside);
  assert.deepEqual(looked, []);
});
