import type { Locale, Reply } from '../conversation/document.ts';
import { type Bot, NONE, NOT } from '../dialog/bot.ts';
import type { Question, Skill } from './skill.ts';

/** Intents that are offered where nothing was understood. */
const OFFERED = 3;

/** Admits that a turn was not understood, and offers what it may have meant. */
export const fallback: Skill = {
  name: 'fallback',
  inline: true,
  run(question) {
    const { bot, turn, understanding, dialog } = question;
    const phrase = understanding?.intent === NOT ? 'not_wanted' : 'fallback';
    return { replies: [bot.reply(turn.locale, phrase, {}, guesses(question))], dialog };
  },
};

/** The reply to a turn that failed for good. Not with the offer of a person where that is what failed. */
export function apology(bot: Bot, locale: Locale, skill: string | null): Reply {
  if (skill === 'person') return bot.reply(locale, 'apology_person');
  return bot.reply(locale, 'apology', {}, [bot.say(locale, 'ask_person')]);
}

/** The likeliest intents, each as an utterance that the user may tap, and a person as the last. */
function guesses({ bot, understanding, turn: { locale } }: Question): string[] {
  const likely = (understanding?.top ?? [])
    .map(({ intent }) => bot.intents.get(intent))
    .filter((intent) => intent !== undefined && intent.name !== NONE && !intent.is && !intent.handover)
    .map((intent) => bot.of(locale, intent!.utterances)?.[0])
    .filter((utterance) => utterance !== undefined);
  return [...likely.slice(0, OFFERED), bot.say(locale, 'ask_person')];
}
