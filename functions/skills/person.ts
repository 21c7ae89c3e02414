import { Rejected } from '../services/failure.ts';
import { understood } from './intent.ts';
import type { Outside, Question, Skill, SkillAnswer } from './skill.ts';

/** The desk's answers for a ticket that takes nothing more. */
const CLOSED = new Set([404, 409, 410]);

/**
 * Hands the conversation to a person at the service desk, passes on what the user writes while the person has it, and
 * takes it back when the user asks for the bot.
 */
export const person: Skill = {
  name: 'person',
  async run(question, outside) {
    const { bot, turn, dialog } = question;
    const intent = understood(question);
    if (dialog.handover) return await passOn(question, outside);
    if (intent?.is === 'bot')
      return { replies: [bot.reply(turn.locale, 'person_not_here')], dialog: withBot(question) };
    return await callPerson(question, outside, intent?.handover ?? 'person_offered', intent?.name ?? null);
  },
};

/** Opens a ticket, and says so with a phrase. `reason`: the intent that led here; null: nothing was understood. */
export async function callPerson(
  question: Question,
  outside: Outside,
  phrase: string,
  reason: string | null,
): Promise<SkillAnswer> {
  const { bot, conversationId, turn, now } = question;
  const { customerId, text, locale } = turn;
  const ticket = await outside.desk.openTicket(
    { customerId, conversationId, text, reason: reason ?? 'not_understood' },
    keyOf(question),
  );
  return {
    replies: [bot.reply(locale, phrase, { ticket }, [bot.say(locale, 'ask_bot')])],
    dialog: { ...withBot(question), handover: { ticket, since: now } },
  };
}

/** Passes on what the user says to a person, or `more` of it; a ticket that is closed leaves it to the bot. */
export async function passOn(question: Question, outside: Outside, more?: string): Promise<SkillAnswer> {
  const { bot, turn, now } = question;
  const handover = question.dialog.handover!;
  const { locale, text } = turn;
  const { ticket } = handover;
  if (understood(question)?.is === 'bot' || bot.shortAnswers.read(text) === 'stop') {
    await closeIfOpen(outside, ticket, keyOf(question));
    return { replies: [bot.reply(locale, 'person_back')], dialog: withBot(question) };
  }
  try {
    await outside.desk.addToTicket(ticket, more ?? text, keyOf(question));
  } catch (error) {
    if (!(error instanceof Rejected && CLOSED.has(error.status))) throw error;
    // The desk has closed it: the bot is on its own again.
    const answer = await outside.respond({ ...question, dialog: withBot(question) });
    return { ...answer, replies: [bot.reply(locale, 'person_closed', { ticket }), ...answer.replies] };
  }
  return {
    replies: [bot.reply(locale, 'person_passed_on', { ticket }, [bot.say(locale, 'ask_bot')])],
    dialog: { ...withBot(question), handover: { ...handover, last: now } },
  };
}

/** The dialog of somebody who talks to the bot, with nothing open. */
function withBot({ dialog }: Question): Question['dialog'] {
  return { ...dialog, flow: null, paused: [], misses: 0, handover: null };
}

/** One ticket a turn, and one message of it. */
function keyOf({ conversationId, turn }: Question): string {
  return `${conversationId}/${turn.id}`;
}

async function closeIfOpen(outside: Outside, ticket: string, key: string): Promise<void> {
  try {
    await outside.desk.closeTicket(ticket, key);
  } catch (error) {
    if (!(error instanceof Rejected && CLOSED.has(error.status))) throw error;
  }
}
