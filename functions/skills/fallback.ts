import type { Locale, Reply } from '../conversation/document.ts';
import { type Bot, NONE, NOT } from '../dialog/bot.ts';
import { LIKELY, type Understood } from './close-call.ts';
import type { Skill } from './skill.ts';

/** Intents and questions of the FAQ that are offered where nothing was understood. */
const OFFERED = 3;

/** Admits that a turn was not understood, and offers what it may have meant. */
export const fallback: Skill = {
  name: 'fallback',
  inline: true,
  run(question) {
    const { bot, turn, understanding, dialog } = question;
    const phrase = understanding?.intent === NOT ? 'not_wanted' : 'fallback';
    const { locale } = turn;
    const offered = [...guesses({ bot, understanding, locale }), bot.say(locale, 'ask_person')];
    return { replies: [bot.reply(locale, phrase, {}, offered)], dialog };
  },
};

/** The reply to a turn that failed for good. Not with the offer of a person where that is what failed. */
export function apology(bot: Bot, locale: Locale, skill: string | null): Reply {
  if (skill === 'person') return bot.reply(locale, 'apology_person');
  return bot.reply(locale, 'apology', {}, [bot.say(locale, 'ask_person')]);
}

/** The likeliest intents and questions of the FAQ, each as the user may tap it. */
export function guesses({ bot, understanding, locale }: Understood): string[] {
  const intents = (understanding?.top ?? []).flatMap(({ intent: name, score }) => {
    const intent = bot.intents.get(name);
    if (!intent || name === NONE || intent.is || intent.handover) return [];
    return { said: bot.of(locale, intent.utterances)?.[0], score };
  });
  const questions = (understanding?.faq?.top ?? [])
    .filter(({ score }) => score >= LIKELY)
    .map(({ entry, score }) => ({ said: bot.of(locale, bot.faq.get(entry)?.question), score }));
  const likely = [...intents, ...questions]
    .sort((a, b) => b.score - a.score)
    .flatMap(({ said }) => (said === undefined ? [] : said));
  return likely.slice(0, OFFERED);
}
