import { FAQ, type Intent, NONE } from '../dialog/bot.ts';
import type { Question } from './skill.ts';

/** The intent of a turn, as far as it is understood. A model may know intents that the content has dropped since. */
export function understood({ bot, understanding }: Pick<Question, 'bot' | 'understanding'>): Intent | null {
  if (!understanding || understanding.intent === NONE) return null;
  // Content that was published since may have dropped the entry.
  if (understanding.intent === FAQ && !bot.faq.has(understanding.faq?.entry ?? '')) return null;
  return bot.intents.get(understanding.intent) ?? null;
}
