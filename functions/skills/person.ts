import { createHash } from 'node:crypto';
import type { Reply } from '../conversation/document.ts';
import { policy } from '../conversation/policy.ts';
import { isForPerson } from '../conversation/transitions.ts';
import { Rejected, Unavailable } from '../services/failure.ts';
import { understood } from './intent.ts';
import type { HubEvent, Outside, Question, Skill, SkillAnswer } from './skill.ts';

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
    // Nobody else says anything.
    if (question.speaker.kind === 'person') {
      await outside.hub?.tell?.(toldHub(question, 'message'), keyOf(question));
      return { replies: [], dialog, silent: true };
    }
    if (isForPerson(question, question.turn.userId)) return await keepForPerson(question, outside);
    if (dialog.handover) return await passOn(question, outside);
    if (intent?.is === 'bot')
      return { replies: [bot.reply(turn.locale, 'person_not_here')], dialog: withBot(question) };
    return await callPerson(question, outside, intent?.handover ?? 'person_offered', intent?.name ?? null);
  },
};

/** While somebody waits for a person: what is said is kept, unless the bot is wanted again. */
export async function keepForPerson(question: Question, outside: Outside): Promise<SkillAnswer> {
  const { bot, turn, speaker, now } = question;
  const { locale, text } = turn;
  const dialog = withBot(question);
  if (understood(question)?.is === 'bot' || bot.shortAnswers.read(text) === 'stop')
    return await backToBot(question, outside);
  await outside.hub?.tell?.(toldHub(question, 'message'), keyOf(question));
  if (outside.hub) return { replies: [place(question, null, bot.say(locale, 'desk_passed_on'))], dialog };
  const { since, ticket, reason, user } =
    speaker.kind === 'waiting' ? speaker : { since: now, ticket: '', reason: '', user: undefined };
  // Everybody has gone home meanwhile.
  if (!bot.desk.isOpen(now))
    return {
      replies: [bot.reply(locale, 'desk_closed', { ticket })],
      dialog,
      speaker: { kind: 'bot' },
      callback: { since, reason, ticket, ...(user && { user }) },
    };
  return {
    replies: [place(question, await outside.queue?.ahead(since), bot.say(locale, 'desk_passed_on'))],
    dialog,
  };
}

/** Who waited does not want to any longer. */
async function backToBot(question: Question, outside: Outside): Promise<SkillAnswer> {
  const { bot, turn } = question;
  await outside.hub?.tell?.(toldHub(question, 'handoff.cancel'), keyOf(question));
  return {
    replies: [bot.reply(turn.locale, 'person_back')],
    dialog: withBot(question),
    speaker: { kind: 'bot' },
  };
}

/** Asks for a person, and says so with a phrase. `reason`: the intent that led here; null: nothing was understood. */
export async function callPerson(
  question: Question,
  outside: Outside,
  phrase: string,
  reason: string | null,
): Promise<SkillAnswer> {
  const { bot, conversationId, turn, now } = question;
  const { customerId, text, locale } = turn;
  if (outside.queue || outside.hub) return await queue(question, outside, phrase, reason ?? 'not_understood');
  const told = { customerId, conversationId, text, reason: reason ?? 'not_understood' };
  const ticket = await reached(() => outside.desk.openTicket(told, keyOf(question)));
  if (ticket === null) return leave(question, told.reason, true);
  return {
    replies: [bot.reply(locale, phrase, { ticket }, [bot.say(locale, 'ask_bot')])],
    dialog: { ...withBot(question), handover: { ticket, since: now } },
  };
}

/** Puts the conversation into the queue of our own desk. Where nobody is there, what was said is kept, and the bot goes on. */
async function queue(question: Question, outside: Outside, phrase: string, reason: string): Promise<SkillAnswer> {
  const { bot, turn, now } = question;
  const ticket = referenceOf(question);
  const dialog = withBot(question);
  // Another of the group has asked already: one person comes for all, and all wait.
  if (question.speaker.kind === 'waiting') {
    const { user: _, ...speaker } = question.speaker;
    return { replies: [bot.reply(turn.locale, phrase, { ticket: speaker.ticket })], dialog, speaker };
  }
  if (!bot.desk.isOpen(now)) return leave(question, reason);
  const speaker = { kind: 'waiting', since: now, reason, ticket, user: turn.userId } as const;
  const said = bot.reply(turn.locale, phrase, { ticket });
  if (!outside.hub) return { replies: [said, place(question, await outside.queue?.ahead(now))], dialog, speaker };
  const initiate = { ...toldHub(question, 'handoff.initiate'), ticket, reason };
  const isTold = await reached(async () => {
    await outside.hub?.tell?.(initiate, keyOf(question));
    return true;
  });
  if (isTold === null) return leave(question, reason, true);
  const asked: Reply[] = outside.hub.tell ? [] : [{ text: '', handoff: { reason, ticket, text: turn.text } }];
  return { replies: [said, place(question, null), ...asked], dialog, speaker };
}

/**
 * Nobody can be reached: what was said is kept, and the bot goes on. `isAway`: another desk, which is told once it is there again.
 */
function leave(question: Question, reason: string, isAway = false): SkillAnswer {
  const { bot, turn, now } = question;
  const { text, customerId, userId: user } = turn;
  // Who was told a reference keeps it.
  const callback = question.callback ?? { since: now, reason, ticket: referenceOf(question), user };
  const passOn = { text, customerId, at: now + policy.passOnWaits[0]!, attempts: 0 };
  return {
    replies: [bot.reply(turn.locale, 'desk_closed', { ticket: callback.ticket })],
    dialog: withBot(question),
    callback: isAway ? { ...callback, passOn } : callback,
  };
}

/** Null where the other side is away. */
async function reached<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Unavailable) return null;
    throw error;
  }
}

/** What another desk is told of a turn. */
function toldHub({ conversationId, turn, speaker, history }: Question, type: HubEvent['type']): HubEvent {
  const { reason, ticket } = speaker.kind === 'bot' ? { reason: '', ticket: '' } : speaker;
  const { text, locale, customerId } = turn;
  return { type, conversationId, ticket, reason, text, locale, customerId, history };
}

/** Which place in the queue a customer has, and the way back. */
function place({ bot, turn: { locale } }: Question, ahead: number | null | undefined, before = ''): Reply {
  const back = [bot.say(locale, 'ask_bot')];
  const reply =
    ahead === null || ahead === undefined
      ? bot.reply(locale, 'desk_soon', {}, back)
      : bot.reply(locale, 'desk_waiting', { place: String(ahead + 1) }, back);
  return { ...reply, text: `${before} ${reply.text}`.trim() };
}

/** What a customer may name a request by: the same for the same turn, and nothing that says whose it is. */
function referenceOf(question: Question): string {
  return createHash('sha256').update(keyOf(question)).digest('hex').slice(0, 6).toUpperCase();
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
