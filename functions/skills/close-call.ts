import { FAQ, NONE } from '../dialog/bot.ts';
import type { Question } from './skill.ts';

/** An entry of the FAQ that is surer leaves no doubt which of them was meant. */
const SURE = 0.8;
/** The next best entry is worth a tap from here on. */
const LIKELY = 0.1;

/** What else an answered message may have meant, each as it may be tapped: the FAQ beside an intent, an intent or another entry beside the FAQ. */
export function closeCalls({ bot, understanding, turn: { locale } }: Question): string[] {
  const { intent, faq, rival } = understanding ?? {};
  if (!faq || faq.entry === NONE) return [];
  const question = (entry: string) => bot.of(locale, bot.faq.get(entry)?.question);
  const said: (string | undefined)[] = [];
  if (intent === FAQ) {
    const lost = bot.intents.get(rival?.intent ?? '');
    if (lost && lost.is === undefined && !lost.handover) said.push(bot.of(locale, lost.utterances)?.[0]);
    const [first, second] = faq.top;
    if (first && second && first.score < SURE && second.score >= LIKELY) said.push(question(second.entry));
  } else said.push(question(faq.entry));
  return said.filter((text) => text !== undefined);
}
