import { z } from 'zod';
import type { Locale, Reply } from '../conversation/document.ts';
import type { Value, Values } from '../conversation/flow.ts';
import { Languages } from '../conversation/language.ts';
import type { Detector } from '../conversation/mask.ts';
import { Chooser } from './choice.ts';
import { dateWords } from './date.ts';
import { desk, Hours } from './desk.ts';
import { entity } from './entity.ts';
import { action, type Confirm, flow } from './flow.ts';
import { readMessage } from './message.ts';

import { name } from './name.ts';
import { ShortAnswers } from './short-answer.ts';

/**
 * What makes the platform somebody's bot: the files of the bot's folder (functions/bot/, or another of the same shape), as one
 * document that scripts/bot/ checks and writes and services/bot.ts reads. Nothing else of functions/ knows a language, an intent
 * or a phrase by its name but those that stand here.
 */
const tag = z
  .string()
  .regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language tag such as en or pt-BR')
  .refine(isTag, 'must be a language tag such as en or pt-BR');
const texts = z.record(tag, z.array(z.string().min(1)));
const text = z.record(tag, z.string());

export const about = z.strictObject({
  /** What customers know the bot by. */
  name: z.string().min(1).max(60),
  /** Where "tomorrow" is: `Asia/Seoul`. */
  time_zone: z.string().refine(isTimeZone, 'must be a time zone such as Asia/Seoul'),
  /** Of amounts of money: `KRW`. */
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .default('USD'),
  /** Settings that addresses and keys of actions may name. */
  settings: z.array(z.string().regex(/^[A-Z][A-Z0-9_]*$/)).default([]),
  /** Intents whose first utterances the chat page offers to begin with. */
  starters: z.array(name).max(6).default([]),
  /** Phrases that are offered where somebody sends a picture without a word. */
  images: z.array(name).max(4).default([]),
  /** What a picture without a word is looked at by, and what it is called then; nothing: it is only kept. */
  pictures: z
    .strictObject({
      /** A model of the task `image-classification`; its package may lie in the bot's folder, below `models/`. */
      model: z.string().regex(/^[\w.-]{1,64}$/),
      /** What its labels are called, as a customer would say it: "a sneaker". A label that has no name is not spoken of. */
      names: z.record(z.string().max(200), text),
      /** The flow that goes on with the name, as if the customer had written it. */
      flow: name.optional(),
    })
    .optional(),
  /** The share of what it could answer that it may refuse, so that it answers less of what it can't. */
  give_up: z.number().min(0).max(0.5).default(0.04),
  /** The share of what no entry of the FAQ answers that it must refuse; what it then answers of the rest stands in its model's report. */
  faq_refuse: z.number().min(0).max(0.999).default(0.9),
});

export const language = z.strictObject({
  tag,
  name: z.string().min(1),
  scripts: z
    .array(z.string().refine(isScript, 'must be a script as Unicode names it: Latin, Hangul, Hiragana, Han'))
    .min(1),
  words: z.array(z.string().min(1)).default([]),
  /** What people say before and behind what they want: the model learns to look past it. */
  openings: z.array(z.string().min(1)).default([]),
  closings: z.array(z.string().min(1)).default([]),
  /** How a wish becomes a denial: what it begins or ends with, and what stands there then. */
  negations: z
    .strictObject({
      before: z.array(z.tuple([z.string().min(1), z.string()])).default([]),
      behind: z.array(z.tuple([z.string().min(1), z.string()])).default([]),
    })
    .default({ before: [], behind: [] }),
  /** Words at which a message of several wishes is taken apart: right before them, or right behind. */
  joins: z
    .strictObject({ before: z.array(z.string().min(1)).default([]), after: z.array(z.string().min(1)).default([]) })
    .default({ before: [], after: [] }),
  fallback: tag.optional(),
  money: z.string().includes('{amount}').optional(),
  dates: dateWords.optional(),
});

/** Out of scope: the label below the threshold, and the intent whose utterances are examples of it. */
export const NONE = 'none';
/** What is understood where an entry of the FAQ answers; no intent may be named so. */
export const FAQ = 'faq';
/** The label of what is said not to be wanted: the `not` utterances of all intents. */
export const NOT = 'not';

export const intent = z.strictObject({
  name,
  /** What the platform must know of it: small talk is no wish; a bare yes or no; who wants the bot back from a person. */
  is: z.enum(['small_talk', 'yes', 'no', 'bot']).optional(),
  utterances: texts,
  /** Sentences that look like it and are not: "i don't want to cancel". */
  not: texts.optional(),
  answers: texts.optional(),
  suggestions: texts.optional(),
  /** The flow that it begins. */
  flow: name.optional(),
  /** A person is called; the phrase says so. */
  handover: name.optional(),
});
export type Intent = z.infer<typeof intent>;

/** A question that many ask, and its one answer: found by what it says, and not by an intent of its own. */
export const faqEntry = z.strictObject({
  name,
  question: z.record(tag, z.string().min(1).max(300)),
  /** Other ways to ask it. */
  other_ways: texts.default({}),
  answer: z.record(tag, z.string().regex(/\S/, 'must say something')),
  suggestions: texts.optional(),
});
export type FaqEntry = z.infer<typeof faqEntry>;

const spoken = z.record(tag, z.array(z.string().regex(/\S/, 'must say something')));

export const shortAnswers = z.strictObject({
  yes: spoken,
  no: spoken,
  stop: spoken,
  again: spoken,
  wait: spoken,
  skip: spoken,
  agree: spoken,
  agree_with: spoken,
  places: z.array(spoken),
  last: spoken,
  other: spoken,
  except: spoken,
  endings: spoken,
  /** What is a yes or a no to one question alone. */
  questions: z.record(name, z.strictObject({ yes: spoken, no: spoken, agree_with: spoken })).default({}),
});

export const detector = z.strictObject({
  kind: z.string().regex(/^[a-z ]{1,24}$/),
  of: z.enum(['number', 'address']),
  /** Where it is written so; for whoever edits. */
  language: z.string().optional(),
  pattern: z.string().max(300),
  plain: z.boolean().default(false),
  check: z.enum(['luhn', 'resident']).optional(),
});

const share = z.number().min(0).max(0.9);

/**
 * How the intent model of a bot is trained, where that is not as the platform does it (functions/training/recipe.ts): what a search has found to
 * be better for it.
 */
export const recipe = z
  .strictObject({
    smoothing: share,
    dropHidden: share,
    dropGrams: share,
    dropWords: share,
    adversarial: z.number().min(0).max(10),
    epochs: z.int().min(1).max(64),
    rate: z.number().min(0.0001).max(0.1),
    C: z.number().min(0.01).max(100),
    positive: z.number().min(0.1).max(100),
    vectorEpochs: z.int().min(1).max(64),
    outsideTimes: z.int().min(1).max(20),
  })
  .partial();

// What a newer build adds is left alone: both may run side by side, and one may be gone back to.
export const content = z.object({
  /** SHA-256 of the folder's files. */
  version: z.string(),
  about: z.object(about.shape),
  languages: z.array(language).min(1),
  intents: z.array(intent),
  faq: z.array(faqEntry),
  phrases: z.record(name, text),
  shortAnswers,
  entities: z.record(name, entity),
  flows: z.record(name, flow),
  desk,
  actions: z.record(name, action),
  personalDetails: z.array(detector),
  recipe: recipe.optional(),
});
export type Content = z.infer<typeof content>;

/** What the page of pictures says: a bot with a model of pictures has these phrases, too. */
export const PICTURE_PHRASES = [
  'pictures_title',
  'pictures_intro',
  'pictures_paper',
  'pictures_keys',
  'pictures_down',
  'pictures_choose',
  'pictures_take',
  'pictures_clear',
  'pictures_empty',
  'pictures_none',
  'pictures_unread',
  'pictures_busy',
  'pictures_lost',
] as const;

/** What the platform itself says: every bot has these phrases. */
export const PHRASES = [
  'fallback',
  'not_wanted',
  'also',
  'did_you_mean',
  'apology',
  'apology_person',
  'ask_person',
  'ask_bot',
  'person_offered',
  'person_passed_on',
  'person_closed',
  'person_back',
  'person_not_here',
  'desk_waiting',
  'desk_soon',
  'desk_passed_on',
  'desk_joined',
  'desk_handed',
  'desk_back',
  'desk_ended',
  'desk_unanswered',
  'desk_idle',
  'desk_closed',
  'desk_rated',
  'desk_failed',
  'desk_colleague',
  'image_kept',
  'image_refused',
  'image_looks',
  'image_about',
  'image_too_many',
  'text_too_long',
  'card_open',
  'page_intro',
  'page_greeting',
  'page_restart',
  'page_restart_ask',
  'page_lost',
  'page_ended',
  'page_send',
  'page_no_script',
  'flow_stopped',
  'flow_waiting',
  'flow_again',
  'flow_several',
  'flow_unknown',
  'flow_changed',
  'flow_back',
  'flow_given_up',
  'flow_confirm_again',
  'flow_confirm_back',
  'flow_confirm_given_up',
  'flow_yes',
  'flow_no',
  'flow_skip',
] as const;

/** Characters of one phrase with its values. */
const SAID = 4_000;

export class Bot {
  readonly version: string;
  readonly content: Content;
  readonly languages: Languages;
  /** With {@link FAQ}, where there is one. */
  readonly intents: ReadonlyMap<string, Intent>;
  readonly faq: ReadonlyMap<string, FaqEntry>;
  readonly shortAnswers: ShortAnswers;
  readonly chooser: Chooser;
  readonly personalDetails: readonly Detector[];
  /** When somebody is at the desk. */
  readonly desk: Hours;
  /** Words at which messages are taken apart, of every language. */
  readonly joins: { before: ReadonlySet<string>; after: readonly string[] };
  readonly #answers = new Map<string, ShortAnswers>();
  readonly #offered = new Map<string, string>();
  readonly #questions = new Map<string, string>();

  constructor(given: Content) {
    this.content = given;
    this.version = given.version;
    this.languages = new Languages(given.languages);
    this.desk = new Hours(given.desk, given.about.time_zone);
    const faq: Intent[] = given.faq.length > 0 ? [{ name: FAQ, utterances: {} }] : [];
    this.intents = new Map([...given.intents, ...faq].map((one) => [one.name, one]));
    this.faq = new Map(given.faq.map((one) => [one.name, one]));
    this.shortAnswers = new ShortAnswers(this.#words());
    for (const { name, utterances } of given.intents)
      for (const text of Object.values(utterances).flatMap((all) => offered(given, all)))
        this.#offered.set(utteranceKey(text), name);
    for (const { name, question } of given.faq)
      for (const text of Object.values(question)) {
        this.#offered.set(utteranceKey(text), FAQ);
        this.#questions.set(utteranceKey(text), name);
      }
    const { places, last, other, except, endings } = given.shortAnswers;
    this.chooser = new Chooser({
      places: places.map(flat),
      last: flat(last),
      other: flat(other),
      except: flat(except),
      endings: flat(endings),
    });
    this.joins = {
      before: new Set(given.languages.flatMap(({ joins }) => joins.before)),
      after: given.languages.flatMap(({ joins }) => joins.after),
    };
    this.personalDetails = given.personalDetails.map(({ kind, of, pattern, plain, check = null }) => ({
      kind,
      of,
      pattern: new RegExp(pattern, 'iu'),
      plain,
      check,
    }));
  }

  /** The intent of what the bot itself offers to tap; null: something else was said, and must be understood. */
  tapped(text: string): string | null {
    return this.#offered.get(utteranceKey(text)) ?? null;
  }

  /** The entry of the FAQ whose question this is, as the bot offers it. */
  entryTapped(text: string): string | null {
    return this.#questions.get(utteranceKey(text)) ?? null;
  }

  /** Whole answers to one question: what its buttons say, too. */
  answersTo({ yes, no, answers }: Pick<Confirm, 'yes' | 'no' | 'answers'>): ShortAnswers {
    const key = `${yes} ${no} ${answers}`;
    const known = this.#answers.get(key) ?? new ShortAnswers(this.#words(answers, yes, no));
    this.#answers.set(key, known);
    return known;
  }

  #words(question?: string, yes?: string, no?: string) {
    const { shortAnswers: all, phrases } = this.content;
    const own = question === undefined ? undefined : all.questions[question];
    const button = (phrase: string | undefined) => Object.values((phrase && phrases[phrase]) || {});
    return {
      yes: [...flat(all.yes), ...flat(own?.yes), ...button(yes)],
      no: [...flat(all.no), ...flat(own?.no), ...button(no)],
      stop: flat(all.stop),
      again: flat(all.again),
      wait: flat(all.wait),
      skip: [...flat(all.skip), ...button('flow_skip')],
      agree: flat(all.agree),
      agree_with: [...flat(all.agree_with), ...flat(own?.agree_with)],
    };
  }

  /** A phrase in a language, or in the one that stands in for it, with `{name}` replaced by its value. */
  say(locale: Locale, phrase: string, values: Values = {}): string {
    const said = this.of(locale, this.content.phrases[phrase]);
    if (said === undefined) throw new Error(`the bot has no phrase "${phrase}"`);
    const written = said.replace(/\{(\w+)\}/g, (_, key: string) =>
      Object.hasOwn(values, key) ? this.write(locale, values[key]!) : '',
    );
    // What values are made of comes from outside, and may be many times the phrase.
    return written.length > SAID ? `${written.slice(0, SAID).toWellFormed()}…` : written;
  }

  /** What is there in a language or in one that stands in for it. */
  of<T>(locale: Locale, all: Readonly<Record<Locale, T>> | undefined): T | undefined {
    if (!all) return undefined;
    const found = this.languages.chain(locale).find((one) => Object.hasOwn(all, one));
    return found === undefined ? Object.values(all)[0] : all[found];
  }

  /** A value as a person of a language reads it. */
  write(locale: Locale, value: Value): string {
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return value.toLocaleString(locale);
    if ('money' in value) return this.#money(locale, value.money);
    if ('date' in value) return date(locale, value.date, this.#timeStyle.date);
    if ('time' in value) return date(locale, `1970-01-01T${value.time}`, this.#timeStyle.time);
    if ('text' in value) return this.of(locale, value.text) ?? '';
    // An action, or a label of before, may name a phrase that the bot no longer has.
    if ('phrase' in value) return this.content.phrases[value.phrase] ? this.say(locale, value.phrase, value.with) : '';
    return value.list.map((one) => this.write(locale, one)).join(', ');
  }

  reply(locale: Locale, phrase: string, values: Values = {}, suggestions: readonly string[] = []): Reply {
    const text = this.say(locale, phrase, values);
    return suggestions.length > 0 ? { text, suggestions: [...suggestions] } : { text };
  }

  readonly #timeStyle: Record<'date' | 'time', Intl.DateTimeFormatOptions> = {
    date: { weekday: 'short', month: 'long', day: 'numeric' },
    time: { hour: 'numeric', minute: '2-digit' },
  };

  #money(locale: Locale, amount: number): string {
    const { money } = this.content.languages.find(({ tag: one }) => one === locale) ?? {};
    if (money !== undefined) return money.replace('{amount}', () => amount.toLocaleString(locale));
    const style = { style: 'currency', currency: this.content.about.currency } as const;
    const digits = Number.isInteger(amount) ? { maximumFractionDigits: 0 } : {};
    return amount.toLocaleString(locale, { ...style, ...digits });
  }
}

/** Two utterances of the same key are the same, however they are typed. */
export function utteranceKey(text: string): string {
  return readMessage(text).compact.replace(/\?$/, '') || text;
}

/** Of the utterances of an intent, those that the bot offers: the first, which stands for it, and what suggestions and phrases say. */
export function offered(
  { intents, phrases }: Pick<Content, 'intents' | 'phrases'>,
  utterances: readonly string[],
): string[] {
  const said = saidBy(intents, phrases);
  return utterances.filter((text, index) => index === 0 || said.has(text));
}

const known = new WeakMap<object, Set<string>>();

function saidBy(intents: Content['intents'], phrases: Content['phrases']): Set<string> {
  const said =
    known.get(intents) ??
    new Set([
      ...intents.flatMap(({ suggestions }) => Object.values(suggestions ?? {}).flat()),
      ...Object.values(phrases).flatMap((texts) => Object.values(texts)),
    ]);
  known.set(intents, said);
  return said;
}

/** Dates here have no zone: they are what the business says. */
function date(locale: Locale, iso: string, style: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(locale, { ...style, timeZone: 'UTC' }).format(
    new Date(iso.includes('T') ? `${iso}Z` : `${iso}T00:00:00Z`),
  );
}

function flat(spokenTexts: Record<Locale, readonly string[]> | undefined): string[] {
  return Object.values(spokenTexts ?? {}).flat();
}

function isTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== null;
  } catch {
    return false;
  }
}

function isScript(script: string): boolean {
  try {
    return /^\w+$/.test(script) && new RegExp(`\\p{Script=${script}}`, 'u') !== null;
  } catch {
    return false;
  }
}
