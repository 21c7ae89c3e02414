import { z } from 'zod';
import intentsJson from '../content/intents.json' with { type: 'json' };
import personalDetailsJson from '../content/personal-details.json' with { type: 'json' };
import phrasesJson from '../content/phrases.json' with { type: 'json' };
import type { Locale } from '../conversation/document.ts';
import type { Detector } from '../conversation/mask.ts';

/**
 * The bot's content: intents with their answers (functions/content/intents.json, which also trains the model) and the
 * phrases of the skills (functions/content/phrases.json). Both are data that a service desk edits.
 */
const texts = z.object({ en: z.array(z.string().min(1)), ko: z.array(z.string().min(1)) });

const intent = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]*$/),
  skill: z.string().optional(),
  utterances: texts,
  answers: texts.optional(),
  suggestions: texts.optional(),
});
export type Intent = z.infer<typeof intent>;

/** Out of scope: the label below the threshold, and the intent whose utterances are examples of it. */
export const NONE = 'none';

export const intents: ReadonlyMap<string, Intent> = new Map(
  z
    .array(intent)
    .parse(intentsJson)
    .map((entry) => [entry.name, entry]),
);

const phrases = z.record(z.string(), z.object({ en: z.string(), ko: z.string() })).parse(phrasesJson);
export type Phrase = keyof typeof phrasesJson;

const detector = z.strictObject({
  kind: z.string().regex(/^[a-z ]{1,24}$/),
  of: z.enum(['number', 'address']),
  /** Where it is written so; for whoever edits. */
  language: z.string().optional(),
  pattern: z.string().max(300),
  plain: z.boolean().default(false),
  check: z.enum(['luhn', 'resident']).optional(),
});

/** What is masked before a text is kept (functions/content/personal-details.json). */
export const personalDetails: readonly Detector[] = z
  .array(detector)
  .parse(personalDetailsJson)
  .map(({ kind, of, pattern, plain, check = null }) => ({
    kind,
    of,
    pattern: new RegExp(pattern, 'iu'),
    plain,
    check,
  }));

/** A phrase in a language, with `{name}` replaced by its value. */
export function say(locale: Locale, phrase: Phrase, values: Record<string, string | number> = {}): string {
  const text = phrases[phrase]?.[locale];
  if (text === undefined) throw new Error(`functions/content/phrases.json has no "${phrase}"`);
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}
