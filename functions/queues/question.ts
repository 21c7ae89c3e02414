import type { AnsweredTurn, Conversation, Turn, Understanding } from '../conversation/document.ts';
import { dialogOf } from '../conversation/transitions.ts';
import { type Bot, NOT } from '../dialog/bot.ts';
import { closeCalls } from '../skills/close-call.ts';
import { guesses } from '../skills/fallback.ts';
import type { Question } from '../skills/skill.ts';

/** Turns that another desk is told of. */
const HISTORY = 10;

/** What a skill is asked about the head of a conversation's inbox. */
export function questionOf(
  bot: Bot,
  document: Conversation,
  turn: Turn,
  understanding: Understanding | null,
  now: number,
): Question {
  const before = document.recent.findLast(({ userId }) => userId === turn.userId);
  return {
    bot,
    conversationId: document.id,
    turn,
    understanding,
    dialog: dialogOf(document, turn.userId),
    speaker: document.speaker,
    callback: document.callback,
    history: document.recent
      .slice(-HISTORY)
      .map(({ text, replies }) => ({ customer: text, replies: replies.map((reply) => reply.text) })),
    last: before?.replies ?? [],
    ...(before && wasOffered(bot, before, turn) && { meant: before.text }),
    now,
  };
}

/** Whether a turn is a tap on what was offered because the one before it was not understood, or not surely; a person is no meaning. */
function wasOffered(bot: Bot, before: AnsweredTurn, { text }: Turn): boolean {
  const { understanding, locale, skill } = before;
  if (!understanding || understanding.intent === NOT || !before.replies.some((one) => one.suggestions?.includes(text)))
    return false;
  const asked = { bot, understanding, locale };
  return (skill === 'fallback' ? guesses(asked) : closeCalls(asked)).includes(text);
}
