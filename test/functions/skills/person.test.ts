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
    callback: null,
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
    attachments: {
      keep: async () => ({ name: 'a.png', contentType: 'image/png', picture: Buffer.alloc(2_048), url: 'kept' }),
    },
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

/** Our own desk, with nobody before. */
const own = (more: object = {}): Outside =>
  ({ ...desk(() => {}), queue: { ahead: async () => 0 }, hub: null, ...more }) as unknown as Outside;
const alone = (more: Partial<Question> = {}) => question('see here', { dialog: emptyDialog, ...more });
const withPicture = (given: Question): Question => {
  const attachments = [{ contentType: 'image/png', url: 'https://channel.example/a.png', name: 'a.png' }];
  return { ...given, turn: { ...given.turn, attachments } };
};

test('a picture with a wish for a person calls one', async () => {
  const understanding = { intent: 'person', score: 0.9, top: [], model: { name: 'm', version: '1' } };
  const waiting = { kind: 'waiting', since: 1, reason: 'person', ticket: 'A' } as const;
  const respond = async () => ({ replies: [{ text: 'called' }], dialog: emptyDialog, speaker: waiting });
  const answer = await images.run(withPicture(alone({ understanding })), own({ respond }));
  assert.deepEqual(answer.speaker, waiting);
});

test('what a person can’t be sent is said to the customer; the rest they hear without a word', async () => {
  const agent = { id: 'a', name: 'A' };
  const speaker = {
    kind: 'person',
    agent,
    since: 0,
    reason: '',
    ticket: '',
    unanswered: null,
    spoke: 0,
    last: 0,
  } as const;
  const heard = await images.run(withPicture(alone({ speaker })), own());
  assert.deepEqual([heard.replies, heard.silent], [[], true]);
  const keep = async () => {
    throw new Rejected('attachments', 'not a picture');
  };
  const lost = await images.run(withPicture(alone({ speaker })), own({ attachments: { keep } }));
  assert.equal(lost.notice, true);
  assert.match(lost.replies[0]!.text, /a\.png/);
});

test('where nobody is at the desk a message is left, under the reference that was given first; who waits till closing leaves one, too', async () => {
  const { Bot } = await import('../../../functions/dialog/bot.ts');
  const { content } = await import('../../bot.ts');
  const closed = new Bot({ ...content, desk: { ...content.desk, hours: {} } });
  const left = await person.run(alone({ bot: closed }), own());
  assert.equal(left.speaker, undefined, 'the bot goes on');
  assert.match(left.replies[0]!.text, new RegExp(`reference ${left.callback!.ticket}`));
  const again = await person.run(alone({ bot: closed, callback: left.callback! }), own());
  assert.deepEqual(again.callback, left.callback);
  const speaker = { kind: 'waiting', since: 1, reason: 'person', ticket: 'A1' } as const;
  const over = await person.run(alone({ bot: closed, speaker }), own());
  assert.deepEqual([over.speaker, over.callback], [{ kind: 'bot' }, { since: 1, reason: 'person', ticket: 'A1' }]);
  const open = await person.run(alone({ speaker }), own());
  assert.match(open.replies[0]!.text, /number 1 in the queue/);
  const unknown = await person.run(alone({ speaker }), own({ queue: { ahead: async () => null } }));
  assert.match(unknown.replies[0]!.text, /as soon as possible/);
});

test('another desk that is away is told later: the message is taken at once, and the bot goes on', async () => {
  const away = async () => {
    throw new Unavailable('desk', 'down');
  };
  const tickets = { queue: null, hub: null, desk: { openTicket: away } };
  const hub = { queue: null, hub: { tell: away } };
  for (const outside of [tickets, hub]) {
    const { callback, speaker, dialog, replies } = await person.run(alone(), own(outside));
    assert.deepEqual([speaker, dialog.handover], [undefined, null]);
    assert.equal(callback!.passOn!.text, 'see here');
    assert.match(replies[0]!.text, new RegExp(`kept what you said \\(reference ${callback!.ticket}`));
  }
});
