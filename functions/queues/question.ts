import type { AnsweredTurn, Conversation, Turn, Understanding } from '../conversation/document.ts';
import { dialogOf } from '../conversation/transitions.ts';
import type { Bot } from '../dialog/bot.ts';
import type { Question } from '../skills/skill.ts';

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
    last: before?.replies ?? [],
    ...(before && wasOffered(bot, before, turn) && { meant: before.text }),
    now,
  };
}

/** Whether a turn is a tap on what was offered because the one before it was not understood, or not surely. */
function wasOffered(bot: Bot, before: AnsweredTurn, { text }: Turn): boolean {
  const closely = before.replies.some((reply) => reply.text === bot.say(before.locale, 'did_you_mean'));
  if (before.skill !== 'fallback' && !closely) return false;
  return bot.tapped(text) !== null && (before.replies.at(-1)?.suggestions ?? []).includes(text);
}
