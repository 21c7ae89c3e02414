import { z } from 'zod';
import intentsJson from '../content/intents.json' with { type: 'json' };
import personalDetailsJson from '../content/personal-details.json' with { type: 'json' };
import phrasesJson from '../content/phrases.json' with { type: 'json' };
import shortAnswersJson from '../content/short-answers.json' with { type: 'json' };
import type { Locale } from '../conversation/document.ts';
import type { Detector } from '../conversation/mask.ts';
import { Chooser } from '../dialog/choice.ts';
import { ShortAnswers } from '../dialog/short-answer.ts';

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

const spoken = z.object({ en: z.array(z.string()), ko: z.array(z.string()) }).transform(({ en, ko }) => [...en, ...ko]);

/** What a whole message says, and the words that choose one of several things (functions/content/short-answers.json). */
const heard = z
  .strictObject({
    yes: spoken,
    no: spoken,
    stop: spoken,
    again: spoken,
    wait: spoken,
    /** What is a yes or a no to this question alone. */
    order_cancel: z.strictObject({ yes: spoken, no: spoken, agree_with: spoken }),
    agree: spoken,
    agree_with: spoken,
    places: z.array(spoken),
    last: spoken,
    other: spoken,
    except: spoken,
    endings: spoken,
  })
  .parse(shortAnswersJson);

export const shortAnswers = new ShortAnswers(heard);
/** To the question whether an order shall be cancelled: what its buttons say, too. */
export const cancelAnswers = new ShortAnswers({
  ...heard,
  yes: [...heard.yes, ...heard.order_cancel.yes, ...Object.values(phrases.cancel_yes ?? {})],
  no: [...heard.no, ...heard.order_cancel.no, ...Object.values(phrases.cancel_no ?? {})],
  agree_with: [...heard.agree_with, ...heard.order_cancel.agree_with],
});
export const chooser = new Chooser(heard);

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
