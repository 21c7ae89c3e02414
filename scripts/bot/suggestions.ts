import { FAQ } from '../../functions/dialog/bot.ts';
import { meantTurns } from '../../functions/services/call-log.ts';
import { type Lesson, lastLessons } from '../../functions/services/lessons.ts';
import { loadSettings } from '../release/environment.ts';

/** Taps that are looked at. */
const LIMIT = 1_000;
const DAYS = 30;

/** Other ways to say something, as users have shown by a tap: for an intent, or for an entry of the FAQ. */
export interface Suggestion {
  /** The intent's name, or `faq/` and the entry's. */
  of: string;
  language: string;
  said: string;
  times: number;
}

/** What users said, was not understood, and then tapped; the most frequent first. */
export function suggestionsOf(turns: Awaited<ReturnType<typeof meantTurns>>): Suggestion[] {
  const all = new Map<string, Suggestion>();
  for (const { meant, locale, understanding } of turns) {
    if (meant === undefined || !understanding) continue;
    const { intent, faq } = understanding;
    const of = intent === FAQ && faq ? `${FAQ}/${faq.entry}` : intent;
    const key = JSON.stringify([of, locale, meant.toLowerCase().trim()]);
    const known = all.get(key) ?? { of, language: locale, said: meant, times: 0 };
    all.set(key, { ...known, times: known.times + 1 });
  }
  return [...all.values()].sort((a, b) => b.times - a.times || (a.of < b.of ? -1 : 1));
}

/** A lesson of the staff as it would stand in the bot's folder. */
export function asContent({ kind, language, question, answer, intent, by }: Lesson): string {
  const to = { utterance: 'utterances', answer: 'answers', faq: '' }[kind];
  const where = kind === 'faq' ? 'faq.json' : `intents.json, "${intent}", ${to}`;
  const content =
    kind === 'faq'
      ? { name: '', question: { [language]: question }, answer: { [language]: answer } }
      : { [language]: [kind === 'utterance' ? question : answer] };
  return `${where}  (${by.name}: ${question})\n  ${JSON.stringify(content)}`;
}

/** Prints them, to be taken into intents.json or faq.json by a person: what somebody tapped in passing may be wrong. */
export async function showSuggestions(): Promise<void> {
  await loadSettings();
  const taught = await lastLessons(LIMIT);
  if (taught.length > 0) console.log('From the desk, the newest first:\n');
  for (const lesson of taught) console.log(`${asContent(lesson)}\n`);
  const found = suggestionsOf(await meantTurns(LIMIT, Date.now() - DAYS * 24 * 3_600_000));
  if (found.length === 0 && taught.length > 0) return;
  if (found.length === 0) {
    console.log('None in 30 days: nobody has tapped what was offered for a message that was not understood.');
    return;
  }
  const width = Math.max(...found.map(({ of }) => of.length));
  for (const { of, language, said, times } of found)
    console.log(`${String(times).padStart(4)}  ${of.padEnd(width)}  ${language}  ${said}`);
  console.log(
    '\nWhat is right goes into "utterances" of the intent (intents.json), or "other_ways" of the entry (faq.json).',
  );
}
