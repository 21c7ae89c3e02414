import type { Understanding } from '../conversation/document.ts';
import { type Bot, FAQ, NONE } from '../dialog/bot.ts';

/** A message as it was understood, in the language of its turn. */
export interface Understood {
  bot: Bot;
  understanding: Understanding | null;
  locale: string;
}

/** An entry of the FAQ that is surer leaves no doubt which of them was meant, and none that an entry was. */
const SURE = 0.8;
const CERTAIN = 0.95;
/** How far an entry may be behind the intent that answers, to be offered beside it. */
const BEHIND = 0.5;
/** An entry is worth a tap from here on. */
export const LIKELY = 0.1;

/** What else an answered message may have meant, each as it may be tapped: the FAQ beside an intent, an intent or another entry beside the FAQ. */
export function closeCalls({ bot, understanding, locale }: Understood): string[] {
  const { intent, score = 0, faq, rival } = understanding ?? {};
  if (!faq || faq.entry === NONE) return [];
  const question = (entry: string) => bot.of(locale, bot.faq.get(entry)?.question);
  const said: (string | undefined)[] = [];
  if (intent === FAQ) {
    const lost = bot.intents.get(rival?.intent ?? '');
    if (lost && lost.is === undefined && !lost.handover && faq.score < CERTAIN)
      said.push(bot.of(locale, lost.utterances)?.[0]);
    const [first, second] = faq.top;
    if (first && second && first.score < SURE && second.score >= LIKELY) said.push(question(second.entry));
  } else if (score - faq.score <= BEHIND) said.push(question(faq.entry));
  return said.filter((text) => text !== undefined);
}
