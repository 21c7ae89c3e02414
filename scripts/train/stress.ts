import { convertHangulToQwerty, convertQwertyToAlphabet, convertQwertyToHangul, romanize } from 'es-hangul';
import { z } from 'zod';
import type { Example } from '../../functions/training/dataset.ts';
import { slipped } from '../../functions/training/messages.ts';
import { Random } from '../../functions/training/random.ts';
import phrases from '../../test/data/stress.json' with { type: 'json' };

/** Utterances as people write them when they are in a hurry, polite, or on another's keyboard. */
const known = z
  .record(z.string(), z.object({ openings: z.array(z.string()), closings: z.array(z.string()) }))
  .parse(phrases);
const BETWEEN = [' ', ', ', '! ', '... '];

interface Writing {
  hangul: boolean;
  language: string;
  random: Random;
}

/** Each changes an utterance, or gives it back where there is nothing to change: then it is not counted. */
const manners: Record<string, (text: string, writing: Writing) => string> = {
  'as it is': (text) => text,
  'opening + X': (text, writing) => `${opening(writing)}${text}`,
  'X + closing': (text, writing) => `${text} ${closing(writing)}`,
  'opening + X + closing': (text, writing) => `${opening(writing)}${text} ${closing(writing)}`,
  'a typo': (text, { hangul, random }) => slipped(text, !hangul, random),
  'two typos': (text, { hangul, random }) => slipped(slipped(text, !hangul, random), !hangul, random),
  'no blanks': (text) => text.replace(/\s+/gu, ''),
  'no punctuation': (text) => text.replace(/\p{P}+/gu, ' ').trim(),
  capitals: (text) => text.toUpperCase(),
  'decomposed (NFD)': (text) => text.normalize('NFD'),
  'the other keyboard': (text, { hangul }) => (hangul ? convertHangulToQwerty(text) : onKoreanKeys(text)),
  romanised: (text, { hangul }) => (hangul ? romanize(text) : text),
};

/** English typed while the keyboard is Korean. Not every row of letters makes syllables; then they stand side by side. */
function onKoreanKeys(text: string): string {
  try {
    return convertQwertyToHangul(text);
  } catch {
    return convertQwertyToAlphabet(text);
  }
}

/** The utterances in each manner, which are other texts for the same seed and the same utterances always. */
export function stressed(examples: readonly Example[], seed: number): { manner: string; examples: Example[] }[] {
  return Object.entries(manners).map(([manner, change]) => {
    const random = new Random(seed);
    const changed = examples.flatMap(({ text, intent }) => {
      const hangul = /\p{Script=Hangul}/u.test(text);
      const language = hangul ? 'ko' : 'en';
      const made = change(text, { hangul, language, random });
      return made === text && manner !== 'as it is' ? [] : [{ text: made, intent }];
    });
    return { manner, examples: changed };
  });
}

function opening(writing: Writing): string {
  return `${pick(known[writing.language]!.openings, writing)}${pick(BETWEEN, writing)}`;
}

function closing(writing: Writing): string {
  return pick(known[writing.language]!.closings, writing);
}

function pick(all: readonly string[], { random }: Writing): string {
  return all[random.below(all.length)]!;
}
