import type { Locale, Reply, Understanding } from '../conversation/document.ts';
import { intents, NONE, say } from './content.ts';
import type { Skill } from './skill.ts';

/** Admits that a turn was not understood, and offers what it may have meant. */
export const fallback: Skill = {
  name: 'fallback',
  inline: true,
  run({ turn, understanding, dialog }) {
    const { locale } = turn;
    return { replies: [{ text: say(locale, 'fallback'), suggestions: guesses(understanding, locale) }], dialog };
  },
};

/** The reply to a turn that failed for good. Not with the offer of a person where that is what failed. */
export function apology(locale: Locale, skill: string | null): Reply {
  if (skill === 'person') return { text: say(locale, 'apology_person') };
  return { text: say(locale, 'apology'), suggestions: [say(locale, 'ask_person')] };
}

/** The likeliest intents, each as an utterance that the user may tap, and a person as the last. */
function guesses(understanding: Understanding | null, locale: Locale): string[] {
  const likely = (understanding?.top ?? [])
    .map(({ intent }) => intents.get(intent))
    .filter((intent) => intent !== undefined && intent.name !== NONE && !SMALL_TALK.has(intent.name))
    .slice(0, 3)
    .map((intent) => intent!.utterances[locale][0]!);
  return [...likely, say(locale, 'ask_person')];
}

const SMALL_TALK = new Set(['yes', 'no', 'greeting', 'goodbye', 'thanks', 'person', 'back_to_bot']);
