import type { Conversation, Turn, Understanding } from '../conversation/document.ts';
import { type Answer, dialogOf } from '../conversation/transitions.ts';
import { currentBot, keptOf } from '../services/bot.ts';
import { Unavailable } from '../services/failure.ts';
import { apology } from '../skills/fallback.ts';
import { said } from './answered.ts';

/**
 * A failed attempt as the transition takes it. Only an unavailable service is worth every attempt; an error that a
 * repetition can't cure (a bug, a refusal) is still tried again, since a deployment may be under way.
 */
export function failed(
  document: Conversation,
  turn: Turn,
  understanding: Understanding | null,
  error: unknown,
): { reason: string; final: boolean; apology: Answer } {
  const reason = (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 500);
  const bot = currentBot();
  return {
    reason: error instanceof Unavailable ? reason : `${reason} (not a passing fault)`,
    final: false,
    apology: {
      said: said(bot, turn),
      kept: keptOf(bot),
      replies: [apology(bot, turn.locale, document.active?.skill ?? null)],
      dialog: { ...dialogOf(document, turn.userId), flow: null, paused: [] },
      skill: 'apology',
      understanding,
      outcome: 'failed',
      // A person of another desk was not told of it: who wrote it must not take it for read.
      ...(document.speaker.kind === 'person' && { notice: true as const }),
      timings: {},
    },
  };
}
