import type { FaqFound, Understanding } from '../conversation/document.ts';
import { type Bot, FAQ, NONE } from './bot.ts';
import { partsOf, weigh } from './wishes.ts';

/** Who is asked what texts mean; the answers stand in their order. */
export interface Models {
  intents(texts: readonly string[]): Promise<Understanding[]>;
  /** Null: there is no model of the FAQ. */
  faq(texts: readonly string[]): Promise<FaqFound[] | null>;
}

/** What a message means: what was offered for tapping by what it was offered for, all else by the models. */
export async function meaningOf(bot: Bot, text: string, models: Models): Promise<Understanding> {
  const tapped = bot.tapped(text);
  if (tapped !== null) {
    const model = { name: 'content', version: bot.version };
    const entry = bot.entryTapped(text);
    const said = { intent: tapped, score: 1, top: [], model };
    return entry === null ? said : { ...said, faq: { entry, score: 1, top: [], model } };
  }
  const texts = [text, ...partsOf(bot, text)];
  const [[whole, ...parts], found] = await Promise.all([
    models.intents(texts),
    bot.faq.size > 0 ? models.faq(texts) : null,
  ]);
  return decide(bot, weigh(bot, whole!, parts), found);
}

/**
 * Intents and FAQ in one decision: whichever is likelier right. What is only small talk, or nothing that the model of the intents
 * knows, is no rival.
 */
export function decide(bot: Bot, understanding: Understanding, found: readonly FaqFound[] | null): Understanding {
  // A greeting in front, or a story around it, may hide the question: one of the parts may be it alone.
  const [best] = (found ?? []).toSorted((a, b) => b.score - a.score);
  if (!best) return understanding;
  const said = { ...understanding, faq: best };
  if (best.entry === NONE || !bot.faq.has(best.entry)) return said;
  const small = bot.intents.get(understanding.intent)?.is === 'small_talk';
  const rival = understanding.intent === NONE || small ? 0 : understanding.score;
  if (best.score <= rival) return said;
  const { intent, score } = understanding;
  return { ...said, intent: FAQ, score: best.score, model: best.model, ...(rival > 0 && { rival: { intent, score } }) };
}
