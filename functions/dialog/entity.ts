import { z } from 'zod';
import type { Locale } from '../conversation/document.ts';
import type { Option, Slot } from '../conversation/flow.ts';
import type { Chooser } from './choice.ts';
import { type DateWords, daysLater, readMoment, today } from './date.ts';
import { readMessage } from './message.ts';

const texts = z.record(z.string(), z.string().min(1));
const base = { description: z.string().optional() };

/** Kinds of things that a message may name; data of the bot's folder (entities.json). */
export const entity = z.discriminatedUnion('kind', [
  z.strictObject({
    ...base,
    /** One of the options that the slot's action gives. */
    kind: z.literal('choice'),
    /** How its numbers are written, so that one that is nobody's is known as such: `ORD-` and 5 to 8 digits. */
    code: z.strictObject({ prefix: z.string().min(1), digits: z.tuple([z.int().min(1), z.int().max(18)]) }).optional(),
  }),
  z.strictObject({
    ...base,
    /** One of these. */
    kind: z.literal('list'),
    items: z
      .array(
        z.strictObject({
          value: z.string().min(1),
          label: texts,
          synonyms: z.record(z.string(), z.array(z.string().min(1))).default({}),
        }),
      )
      .min(1)
      .max(30),
  }),
  z.strictObject({
    ...base,
    kind: z.literal('date'),
    /** Days from today. */
    min: z.int().optional(),
    max: z.int().optional(),
  }),
  z.strictObject({ ...base, kind: z.literal('time') }),
  z.strictObject({
    ...base,
    kind: z.enum(['number', 'money']),
    min: z.number().optional(),
    max: z.number().optional(),
  }),
  z.strictObject({ ...base, kind: z.enum(['phone', 'email']) }),
  z.strictObject({
    ...base,
    /** What is written in some way of its own: letters, digits, as an expression of the whole word. */
    kind: z.literal('pattern'),
    pattern: z.string().max(200),
  }),
  z.strictObject({
    ...base,
    /** Whatever is said: a name, a note. */
    kind: z.literal('text'),
    max: z.int().min(1).max(1_000).default(200),
  }),
]);
export type Entity = z.infer<typeof entity>;

/** What a message is read by. */
export interface Reading {
  text: string;
  locale: Locale;
  now: number;
  timeZone: string;
  chooser: Chooser;
  dateWords: DateWords | undefined;
  /** The bot has just asked for it. */
  asked: boolean;
  /** A place in the list may be meant: "the second". */
  placed: boolean;
  /** It says of something that it is not meant. */
  ruledOut: boolean;
  /** What the slot holds now. */
  present: string | undefined;
}

/**
 * `one`: that. `unclear`: several, or one that is ruled out. `unknown`: written as such things are, and none of them. `outside`: not
 * within its bounds.
 */
export type Found =
  | { kind: 'one'; slot: Slot }
  | { kind: 'unclear' }
  | { kind: 'unknown'; number: string }
  | { kind: 'outside'; slot: Slot };

/** What a message says of an entity; null: nothing. `options` are those of a choice. */
export function find(entity: Entity, reading: Reading, options: readonly Option[]): Found | null {
  if (entity.kind === 'choice') {
    const choice = choiceOf(options, reading);
    // A number is one of theirs only where they are written with numbers.
    const known = choice?.kind === 'unknown' && !entity.code ? null : choice;
    return known ?? (entity.code ? coded(entity.code, reading.text) : null);
  }
  const found = said(entity, reading);
  if (options.length === 0 || entity.kind === 'list') return found;
  if (found?.kind !== 'one') return choiceOf(options, reading) ?? found;
  const option = options.find(({ value }) => value === found.slot.value);
  return option ? found : { kind: 'outside', slot: found.slot };
}

function said(entity: Exclude<Entity, { kind: 'choice' }>, reading: Reading): Found | null {
  switch (entity.kind) {
    case 'list':
      return choiceOf(itemsOf(entity), reading);
    case 'date': {
      const { date } = readMoment(reading.text, reading, reading.locale, reading.dateWords);
      if (date === null) return null;
      // Which of the days is the one that is not meant, nobody knows.
      return reading.ruledOut ? { kind: 'unclear' } : within(entity, date, reading);
    }
    case 'time': {
      const { time } = readMoment(reading.text, reading, reading.locale, reading.dateWords);
      if (time === null) return null;
      if (reading.ruledOut) return { kind: 'unclear' };
      return { kind: 'one', slot: { value: time, label: { time } } };
    }
    case 'number':
    case 'money':
      return numberOf(entity, reading);
    case 'email':
    case 'phone':
    case 'pattern':
      return written(entity, reading);
    case 'text': {
      const text = reading.text.trim();
      // Only who was asked for it says it.
      if (!reading.asked || text === '') return null;
      const slot = { value: text.slice(0, entity.max), label: text.slice(0, entity.max) };
      return text.length > entity.max ? { kind: 'outside', slot } : { kind: 'one', slot };
    }
  }
}

/** The items of a list, as they are chosen among. */
export function itemsOf(entity: Entity): Option[] {
  if (entity.kind !== 'list') return [];
  return entity.items.map(({ value, label, synonyms }) => ({
    value,
    names: [...Object.values(label), ...Object.values(synonyms).flat()],
    label: { text: label },
  }));
}

function choiceOf(options: readonly Option[], { text, asked, placed, present, chooser }: Reading): Found | null {
  const about = { asked, placed };
  const choice = chooser.choose(text, options, present === undefined ? about : { ...about, present });
  if (choice?.kind !== 'one') return choice;
  const option = options.find(({ value }) => value === choice.value)!;
  return { kind: 'one', slot: { value: option.value, label: option.label ?? option.value } };
}

type Code = NonNullable<Extract<Entity, { kind: 'choice' }>['code']>;

/** A number with the letters that such numbers have before them, however that was typed. */
function coded({ prefix, digits: [least, most] }: Code, text: string): Found | null {
  const letters = prefix.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const said = text.normalize('NFKC').toLowerCase();
  for (let at = said.indexOf(letters); at >= 0; at = said.indexOf(letters, at + 1)) {
    if (at > 0 && /[\p{L}\p{N}]/u.test(said[at - 1]!)) continue;
    const [, number] = /^[\s\p{Pd}.:#]{0,3}(\d+)/u.exec(said.slice(at + letters.length)) ?? [];
    if (number !== undefined && number.length >= least && number.length <= most) {
      const value = `${prefix}${number}`;
      return { kind: 'one', slot: { value, label: value } };
    }
  }
  return null;
}

function within(
  { min, max }: { min?: number | undefined; max?: number | undefined },
  date: string,
  at: Reading,
): Found {
  const slot = { value: date, label: { date } };
  const from = today(at);
  const early = min !== undefined && date < daysLater(from, min);
  const late = max !== undefined && date > daysLater(from, max);
  return { kind: early || late ? 'outside' : 'one', slot };
}

function numberOf(entity: Extract<Entity, { kind: 'number' | 'money' }>, { text, asked }: Reading): Found | null {
  const { words, numbers } = readMessage(text);
  const plain = text.normalize('NFKC').replace(/(?<=\d)[,_](?=\d{3}(?!\d))/g, '');
  const found = [...plain.matchAll(/(?<![\d.\p{L}-])\d{1,15}(?:\.\d{1,4})?(?![\d.]*\d|[a-z])/giu)].map(
    ([number]) => number,
  );
  // Unasked, a number may be anything: a price, a date.
  if (found.length === 0 || (!asked && words.length > numbers.length)) return null;
  // "10만원", "1.5 million", "5-6", "not 3": what is meant is another number.
  if (new Set(found).size > 1 || MULTIPLIED.test(plain)) return { kind: 'unclear' };
  const number = Number(found[0]);
  const label = entity.kind === 'money' ? { money: number } : number;
  const slot = { value: String(number), label };
  const outside =
    (entity.min !== undefined && number < entity.min) || (entity.max !== undefined && number > entity.max);
  return { kind: outside ? 'outside' : 'one', slot };
}

/** A number that a word behind it multiplies, or a range. */
const MULTIPLIED = /\d\s?(?:[만천억백万千億百%]|million|thousand|hundred|k\b|\p{Pd}\s?\d)/iu;
const EMAIL = /^[\p{L}\p{N}._%+'-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,5}$/u;
/** Signs around a word. */
const BEFORE = /^\p{P}+/u;
const BEHIND = /(?<![.!?…。、,)])[.!?…。、,)]+$/u;
const PHONE = /^\+?\d{8,15}$/;
/** Written so in a sentence, it is a phone and nothing else: neither a day nor an order. */
const SURELY_PHONE = /^(?:\+|0)\d{8,14}$/;
const ISO_DATE = /\d{4}-\d\d-\d\d/g;

function written(
  entity: Extract<Entity, { kind: 'email' | 'phone' | 'pattern' }>,
  { text, asked }: Reading,
): Found | null {
  const said = text.normalize('NFKC').replace(/\p{Cf}/gu, '');
  const found = new Set<string>();
  if (entity.kind === 'phone') {
    const digits = said.replace(ISO_DATE, ' ').replace(/(?<=\d)[\s\p{Pd}.()]{1,2}(?=\d)/gu, '');
    const known = asked ? PHONE : SURELY_PHONE;
    for (const word of digits.split(/[^\d+]+/)) if (known.test(word)) found.add(word);
  } else {
    const known = 'pattern' in entity ? new RegExp(`^(?:${entity.pattern})$`, 'iu') : EMAIL;
    for (const word of said.split(/[\s,;<>"]+/)) {
      const bare = word.replace(BEFORE, '').replace(BEHIND, '');
      if (bare.length <= 320 && known.test(bare)) found.add(bare);
    }
  }
  if (found.size === 0) return null;
  if (found.size > 1) return { kind: 'unclear' };
  const [value] = found as unknown as [string];
  return { kind: 'one', slot: { value, label: value } };
}
