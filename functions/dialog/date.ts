import { type Chrono, de, en, es, fr, it, ja, nl, type ParsedResult, pt, ru, zh } from 'chrono-node';
import { z } from 'zod';
import type { Locale } from '../conversation/document.ts';

const word = z.string().regex(/\S/, 'must say something');

/** How a language speaks of days and times; data of the bot's folder, for what the library does not know. */
export const dateWords = z.strictObject({
  /** Days from today by their names: `{"내일": 1}`. */
  days: z.record(word, z.number().int()).default({}),
  /** Before the name of a day of the week: of this week, of the next. */
  this_week: z.array(word).default([]),
  next_week: z.array(word).default([]),
  /** Days of the week from Sunday, as they may be written. */
  weekdays: z.array(z.array(word).min(1)).length(7).optional(),
  /** Behind a number: the year, the month, the day of it, the hour, the minute. */
  year: word.optional(),
  month: word.optional(),
  day: word.optional(),
  hour: word.optional(),
  minute: word.optional(),
  /** Half an hour, behind the hour. */
  half: word.optional(),
  /** Before an hour. */
  morning: z.array(word).default([]),
  afternoon: z.array(word).default([]),
  /** Behind a number of days: so many from today. */
  days_later: z.array(word).default([]),
});
export type DateWords = z.infer<typeof dateWords>;

/** A day and a time of day that a text names; each may be missing. */
export interface Moment {
  /** `2026-11-29`. */
  date: string | null;
  /** `14:30`. */
  time: string | null;
}

interface Today {
  now: number;
  timeZone: string;
}

const LIBRARY: Record<string, Chrono> = Object.fromEntries(
  Object.entries({ en, ja, de, es, fr, it, nl, pt, ru, zh }).map(([tag, { casual }]) => [tag, casual as Chrono]),
);
const DAY = 86_400_000;

/** What a text says of days and times, by the words of a language and else by the library. */
export function readMoment(text: string, today: Today, tag: Locale, words: DateWords | undefined): Moment {
  const own = words ? byWords(text, today, words) : { date: null, time: null };
  const [main] = tag.toLowerCase().split('-');
  const library = tag.toLowerCase() === 'en-gb' ? en.GB : LIBRARY[main!];
  if (!library || (own.date && own.time)) return own;
  const reference = { instant: new Date(today.now), timezone: minutesFrom(today) };
  const found = library.parse(text.normalize('NFKC'), reference, { forwardDate: true });
  return {
    date: own.date ?? first(found, dateOf),
    time: own.time ?? first(found, timeOf),
  };
}

/** Today's date where the bot is. */
export function today({ now, timeZone }: Today): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  const of = Object.fromEntries(parts.formatToParts(now).map(({ type, value }) => [type, value]));
  return `${of.year}-${of.month}-${of.day}`;
}

/** A date so many days later. */
export function daysLater(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

function first<T>(found: ParsedResult[], read: (one: ParsedResult) => T | null): T | null {
  for (const one of found) {
    const value = read(one);
    if (value !== null) return value;
  }
  return null;
}

function dateOf({ start }: ParsedResult): string | null {
  if (!['day', 'weekday'].some((part) => start.isCertain(part as 'day'))) return null;
  return isoOf(start.get('year')!, start.get('month')!, start.get('day')!);
}

function timeOf({ start }: ParsedResult): string | null {
  if (!start.isCertain('hour')) return null;
  return clock(start.get('hour')!, start.get('minute') ?? 0);
}

/** Minutes that clocks of a time zone are ahead of UTC. */
function minutesFrom({ now, timeZone }: Today): number {
  const parts = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(now);
  const [, sign, hours, minutes] =
    /GMT([+-])(\d\d):(\d\d)/.exec(parts.find(({ type }) => type === 'timeZoneName')?.value ?? '') ?? [];
  if (sign === undefined) return 0;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/** By the words of a language: numbers with what stands behind them, days by name. */
function byWords(text: string, now: Today, words: DateWords): Moment {
  const said = squeezed(text);
  const spoken = text.normalize('NFKC').toLowerCase().split(/\s+/);
  // Where words stand apart, a day's name begins one: "안내 일정" has no "내일".
  const has = (name: string) =>
    /\s/.test(name.trim()) || !/^\p{Script=Hangul}/u.test(name)
      ? said.includes(squeezed(name))
      : spoken.some((word) => word.startsWith(name));
  const from = today(now);
  return { date: dayByWords(said, has, from, words), time: timeByWords(said, words) };
}

function dayByWords(said: string, has: (name: string) => boolean, from: string, words: DateWords): string | null {
  const year = numberBefore(said, words.year, 4);
  const month = numberBefore(said, words.month);
  const day = numberBefore(said, words.day);
  if (day !== null && month !== null) return year === null ? dayOfMonth(from, month, day) : isoOf(year, month, day);
  // The longest first: "the day after tomorrow" has "tomorrow" in it.
  const names = Object.keys(words.days).sort((a, b) => b.length - a.length);
  const named = names.find(has);
  if (named !== undefined) return daysLater(from, words.days[named]!);
  for (const behind of words.days_later) {
    const count = numberBefore(said, squeezed(behind), 3);
    if (count !== null) return daysLater(from, count);
  }
  const weekday = words.weekdays?.findIndex((all) => all.some(has)) ?? -1;
  if (weekday < 0) return day === null ? null : dayOfMonth(from, null, day);
  const present = new Date(`${from}T00:00:00Z`).getUTCDay();
  const ahead = (weekday - present + 7) % 7;
  // A week begins on Monday.
  const fromMonday = (of: number) => (of + 6) % 7;
  if (words.next_week.some(has)) return daysLater(from, 7 - fromMonday(present) + fromMonday(weekday));
  if (words.this_week.some(has)) return daysLater(from, fromMonday(weekday) - fromMonday(present));
  return daysLater(from, ahead === 0 ? 7 : ahead);
}

function timeByWords(said: string, words: DateWords): string | null {
  const written = /(?<!\d)([01]?\d|2[0-3]):([0-5]\d)(?!\d)/.exec(said);
  const hour = written ? Number(written[1]) : numberBefore(said, words.hour);
  if (hour === null || hour > 23) return null;
  const half = words.hour && words.half && said.includes(`${words.hour}${words.half}`) ? 30 : 0;
  const minute = written ? Number(written[2]) : (numberBefore(said, words.minute) ?? half);
  if (minute > 59) return null;
  const isAfternoon = hour < 12 && words.afternoon.some((word) => said.includes(squeezed(word)));
  const isMidnight = hour === 12 && words.morning.some((word) => said.includes(squeezed(word)));
  return clock(isAfternoon ? hour + 12 : isMidnight ? 0 : hour, minute);
}

/** The number of so many digits right before a word. */
function numberBefore(said: string, word: string | undefined, digits = 2): number | null {
  if (!word) return null;
  for (let at = said.indexOf(word); at >= 0; at = said.indexOf(word, at + 1)) {
    let from = at;
    while (from > 0 && at - from < digits && /\d/.test(said[from - 1]!)) from -= 1;
    // More digits are another number.
    if (from < at && !(from > 0 && /\d/.test(said[from - 1]!))) return Number(said.slice(from, at));
  }
  return null;
}

/** The next day with this number: of this month or year where it is still to come. */
function dayOfMonth(from: string, month: number | null, day: number): string | null {
  const [year, present] = [Number(from.slice(0, 4)), Number(from.slice(5, 7))];
  const here = isoOf(year, month ?? present, day);
  if (here !== null && here >= from) return here;
  if (here === null && month !== null) return null;
  if (month !== null) return isoOf(year + 1, month, day);
  // Of the next month that has it.
  for (let ahead = 1; ahead <= 3; ahead += 1) {
    const next = present - 1 + ahead;
    const found = isoOf(year + Math.floor(next / 12), (next % 12) + 1, day);
    if (found) return found;
  }
  return null;
}

/** Null for a day that no calendar has. */
function isoOf(year: number, month: number, day: number): string | null {
  const iso = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
  const date = new Date(`${iso}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || date.getUTCDate() !== day ? null : iso;
}

function clock(hour: number, minute: number): string {
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
}

function squeezed(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, '');
}
