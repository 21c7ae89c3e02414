import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Dialog } from '../../../functions/conversation/document.ts';
import { emptyDialog } from '../../../functions/conversation/document.ts';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { Rejected, Unavailable } from '../../../functions/services/failure.ts';
import { images } from '../../../functions/skills/images.ts';
import { person } from '../../../functions/skills/person.ts';
import type { Outside, Question } from '../../../functions/skills/skill.ts';
import { bot } from '../../bot.ts';

const withPerson: Dialog = { ...emptyDialog, handover: { ticket: 'T-1', since: 0 } };

function question(text: string, more: Partial<Question> = {}): Question {
  const turn = {
    id: turnId('t'),
    givenId: 't',
    userId: userId('api', 'u'),
    customerId: null,
    text,
    attachments: [] as Question['turn']['attachments'],
    locale: 'en',
    fingerprint: '',
    traceparent: '',
    acceptedAt: 0,
    attempts: 0,
    retryAt: 0,
  };
  const understanding = { intent: 'none', score: 0.1, top: [], model: { name: 'm', version: '1' } };
  return {
    bot,
    conversationId: conversationId('api', 'c'),
    turn,
    understanding,
    dialog: withPerson,
    speaker: { kind: 'bot' },
    history: [],
    last: [],
    now: 1,
    ...more,
  };
}

/** A desk that answers so; what it was told. */
function desk(answer: () => void, told: string[] = []): Outside {
  return {
    desk: {
      addToTicket: async (_: string, text: string) => {
        told.push(text);
        answer();
      },
      closeTicket: async () => answer(),
    },
    respond: async ({ dialog }: Question) => ({ replies: [{ text: 'the bot answers' }], dialog }),
    attachments: { keep: async () => ({ name: 'a.png', contentType: 'image/png', bytes: 2_048, url: 'kept' }) },
  } as unknown as Outside;
}

test('a ticket that the desk has closed gives the user back to the bot, which answers at once', async () => {
  for (const status of [404, 409, 410]) {
    const { replies, dialog } = await person.run(
      question('are you there?'),
      desk(() => {
        throw new Rejected('desk', 'closed', status);
      }),
    );
    assert.match(replies[0]!.text, /ticket T-1 has been closed/);
    assert.equal(replies[1]!.text, 'the bot answers');
    assert.equal(dialog.handover, null);
  }
});

test('any other refusal of the desk is tried again, and the person keeps the conversation', async () => {
  for (const error of [new Rejected('desk', 'answered 400', 400), new Unavailable('desk', 'down')]) {
    const run = person.run(
      question('are you there?'),
      desk(() => {
        throw error;
      }),
    );
    await assert.rejects(Promise.resolve(run), error);
  }
});

test('who wants the bot back has it, also where the ticket is closed already', async () => {
  const back = { intent: 'back_to_bot', score: 1, top: [], model: { name: 'm', version: '1' } };
  for (const status of [0, 409]) {
    const outside = desk(() => {
      if (status > 0) throw new Rejected('desk', 'closed', status);
    });
    for (const asked of [question('Back to the bot', { understanding: back }), question('stop')]) {
      const { replies, dialog } = await person.run(asked, outside);
      assert.match(replies[0]!.text, /back with the bot/);
      assert.equal(dialog.handover, null);
    }
  }
});

test('a picture to a person is passed on; to a closed ticket it works too, and the bot goes on', async () => {
  const attachments = [{ contentType: 'image/png', url: 'https://channel.example/a.png', name: 'a.png' }];
  const asked = question('see here');
  const sent = { ...asked, turn: { ...asked.turn, attachments } };
  const told: string[] = [];
  const passed = await images.run(
    sent,
    desk(() => {}, told),
  );
  assert.deepEqual(told, ['see here\nkept']);
  assert.equal(passed.dialog.handover?.ticket, 'T-1');
  assert.match(passed.replies.map(({ text }) => text).join(), /^I've received your picture a\.png \(2 KB\)\.$/);
  const closed = await images.run(
    sent,
    desk(() => {
      throw new Rejected('desk', 'closed', 409);
    }),
  );
  assert.equal(closed.dialog.handover, null);
  assert.match(
    closed.replies.map(({ text }) => text).join('\n'),
    /received your picture[\s\S]*has been closed[\s\S]*the bot answers/,
  );
});
