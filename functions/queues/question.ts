import type { Conversation, Turn, Understanding } from '../conversation/document.ts';
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
  const last = document.recent.findLast(({ userId }) => userId === turn.userId)?.replies ?? [];
  return {
    bot,
    conversationId: document.id,
    turn,
    understanding,
    dialog: dialogOf(document, turn.userId),
    last,
    now,
  };
}
