import { createHash } from 'node:crypto';
import { distance } from 'fastest-levenshtein';
import { type Content, NONE, utteranceKey } from '../../dialog/bot.ts';
import type { Example } from '../dataset.ts';

/**
 * What a training job learns from, and what judges it: the published content, and what people have labelled since. Pure.
 */
export interface Examples {
  content: Content;
  /** Labels that judge: no model learns from them, nor from what is nearly the same. */
  judges: Example[];
  /** Everything that was taught, each by its fingerprint: what of it is new says whether there is something to learn. */
  taught: string[];
}

/** What a person has said that customers' words mean. */
export interface Label {
  text: string;
  locale: string;
  intent: string;
  /** Whether it is for learning; else it judges. */
  trains: boolean;
}

/** Utterances of intents by their names and languages, as somebody wants them to be. */
export type Drafted = ReadonlyMap<string, Record<string, readonly string[]>>;

/** Texts that differ in less than this share of their letters say the same. */
const NEAR = 0.15;

/**
 * The content with the labels of intents that it has; `held`: what is held out of the bot's folder. A label is learned from while it stands in the content, or in a draft: what an editor has
 * taken out of both is not.
 */
export function examplesOf(
  content: Content,
  drafted: Drafted,
  labels: readonly Label[],
  held: readonly string[] = [],
): Examples {
  const names = new Set(content.intents.map(({ name }) => name));
  // What the bot is judged by anyway teaches nothing, nor judges twice.
  const heldOut = held.map(utteranceKey);
  const known = labels.filter(
    ({ text, intent }) => (intent === NONE || names.has(intent)) && !isNear(utteranceKey(text), heldOut),
  );
  const labelled = new Set(known.filter(({ trains }) => trains).map(keyOf));
  const judging = known.filter(({ trains }) => !trains);
  const judges = new Map<string, Example>();
  const intents = content.intents.map((intent) => {
    const own = judging.filter((label) => label.intent === intent.name).map((label) => utteranceKey(label.text));
    const utterances: Record<string, string[]> = {};
    const languages = new Set([...Object.keys(intent.utterances), ...known.map(({ locale }) => locale)]);
    for (const locale of languages) {
      const published = intent.utterances[locale] ?? [];
      const keys = new Set(published.map(utteranceKey));
      const wanted = new Set((drafted.get(intent.name)?.[locale] ?? []).map(utteranceKey));
      const added = known.filter(
        ({ text, trains, ...label }) =>
          trains &&
          label.intent === intent.name &&
          label.locale === locale &&
          wanted.has(utteranceKey(text)) &&
          !keys.has(utteranceKey(text)),
      );
      const kept = [...published, ...added.map(({ text }) => text)].filter((text) => {
        // What was labelled, and is nearly what judges, is on its side. What somebody thought of is learned from all the same.
        const isJudging = labelled.has(keyOf({ text, intent: intent.name })) && isNear(utteranceKey(text), own);
        if (isJudging) judges.set(keyOf({ text, intent: intent.name }), { text, intent: intent.name });
        return !isJudging;
      });
      if (kept.length > 0) utterances[locale] = kept;
    }
    return { ...intent, utterances };
  });
  for (const { text, intent } of judging) judges.set(keyOf({ text, intent }), { text, intent });
  const learned = new Map(
    intents.map(({ name, utterances }) => [name, Object.values(utterances).flat().map(utteranceKey)] as const),
  );
  // What only looks like an intent is learned from, too: as what is not wanted.
  const not = intents.flatMap(({ not = {} }) => Object.values(not).flat().map(utteranceKey));
  learned.set(NONE, [...(learned.get(NONE) ?? []), ...not]);
  const all = new Set([...learned.values()].flat());
  const kept = [...judges.values()].filter(
    ({ text, intent }) => !all.has(utteranceKey(text)) && !isNear(utteranceKey(text), learned.get(intent) ?? []),
  );
  const next = { ...content, intents };
  return { content: next, judges: kept, taught: taughtBy(next, kept) };
}

/** How many of the things that were taught are new, or gone. */
export function changesBetween(before: readonly string[], after: readonly string[]): number {
  const [old, now] = [new Set(before), new Set(after)];
  return [...old].filter((one) => !now.has(one)).length + [...now].filter((one) => !old.has(one)).length;
}

const keyOf = ({ text, intent }: Example): string => JSON.stringify([intent, utteranceKey(text)]);

function isNear(key: string, others: readonly string[]): boolean {
  return others.some((other) => {
    const most = NEAR * Math.max(key.length, other.length);
    return Math.abs(key.length - other.length) <= most && distance(key, other) <= most;
  });
}

function taughtBy({ intents, faq }: Content, judges: readonly Example[]): string[] {
  const all = [
    ...intents.flatMap(({ name, utterances, not = {} }) => [
      ...Object.values(utterances).flatMap((texts) => texts.map((text) => ['utterance', name, text])),
      ...Object.values(not).flatMap((texts) => texts.map((text) => ['not', name, text])),
    ]),
    ...faq.flatMap(({ name, question, other_ways: ways }) =>
      [...Object.values(question), ...Object.values(ways).flat()].map((text) => ['question', name, text]),
    ),
    ...judges.map(({ text, intent }) => ['judge', intent, text]),
  ];
  return all.map((one) => createHash('sha256').update(JSON.stringify(one)).digest('base64url').slice(0, 12));
}
