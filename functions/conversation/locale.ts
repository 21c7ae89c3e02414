import type { Locale } from './document.ts';

const HANGUL = /\p{Script=Hangul}/u;
const LATIN = /\p{Script=Latin}/u;
/** Order numbers and brands are Latin in every language. */
const CODE = /\b[a-z]{2,5}[\s-]?\d+\b/gi;
/** "OK", "A/S", "TV": words that Korean text has too. */
const SHORT = /\b[a-z]{1,3}\b/gi;

/** The language to answer in: the text decides where it can, else the one that the client named or the conversation has. */
export function localeOf(text: string, otherwise: Locale): Locale {
  if (HANGUL.test(text)) return 'ko';
  const words = text.replace(CODE, '');
  return LATIN.test(otherwise === 'ko' ? words.replace(SHORT, '') : words) ? 'en' : otherwise;
}
