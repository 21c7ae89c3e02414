import type { FaqFound, Understanding } from '../conversation/document.ts';
import { type Bot, FAQ, NONE, NOT } from './bot.ts';
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
  return decide(bot, weigh(bot, whole!, parts), parts, found);
}

/** A part of a message must be so sure of its entry, or of its intent, to be a wish of its own. */
const SURE = 0.8;

/**
 * Intents and FAQ in one decision: whichever is likelier right, of the same text. What is only small talk, or nothing that the model of
 * the intents knows, is no rival, and who asks for a person, or for the bot back, is never answered with an entry. Where parts of a message
 * wish by themselves, an entry that another part asks for is one more wish behind them. `found` is of the whole message and then of its parts.
 */
export function decide(
  bot: Bot,
  understanding: Understanding,
  parts: readonly Understanding[],
  found: readonly FaqFound[] | null,
): Understanding {
  if (!found?.[0]) return understanding;
  const [whole, ...ofParts] = found;
  const known = ({ entry }: FaqFound) => entry !== NONE && bot.faq.has(entry);
  const best = [whole!, ...ofParts].filter(known).toSorted((a, b) => b.score - a.score)[0];
  const said = { ...understanding, faq: best ?? whole! };
  if (!best) return said;
  const { intent, score } = understanding;
  const asked = bot.intents.get(intent);
  // What a part wishes by itself, more than it asks for an entry.
  const wished = parts.some(
    (part, index) => rivalOf(bot, part) > (ofParts[index]?.score ?? 0) && part.score >= SURE && part.intent !== NOT,
  );
  const person = asked?.handover !== undefined || asked?.is === 'bot';
  if (rivalOf(bot, understanding) > 0 && (wished || person)) {
    const entry = ofParts.filter((one, index) => known(one) && one.score > rivalOf(bot, parts[index]!))[0];
    if (person || !entry || entry.score < SURE) return said;
    const own = understanding.wishes ?? [{ intent, score, negated: false }];
    return { ...said, wishes: [...own, { intent: FAQ, entry: entry.entry, score: entry.score, negated: false }] };
  }
  const rival = rivalOf(bot, understanding);
  if (best.score <= rival) return said;
  return { ...said, intent: FAQ, score: best.score, model: best.model, ...(rival > 0 && { rival: { intent, score } }) };
}

/** How sure an intent is that an entry must be surer than: 0 for small talk and for none. */
function rivalOf(bot: Bot, { intent, score }: Understanding): number {
  return intent === NONE || bot.intents.get(intent)?.is === 'small_talk' ? 0 : score;
}
