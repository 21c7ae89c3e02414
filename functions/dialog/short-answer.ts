import { readMessage } from './message.ts';

/** What a whole message may say to any dialog, in any of the bot's languages. */
export const SHORT_ANSWERS = ['yes', 'no', 'stop', 'again', 'wait'] as const;
export type ShortAnswer = (typeof SHORT_ANSWERS)[number];

/**
 * Which answer a whole message is; null: none, or not clearly. Nothing within a longer message is looked for: after "yes" may come
 * "but", and what can't be taken back must not be done by half of a sentence.
 */
export class ShortAnswers {
  readonly #known = new Map<string, ShortAnswer>();

  /** Throws where two answers have the same words. */
  constructor(phrases: Record<ShortAnswer, readonly string[]>) {
    for (const answer of SHORT_ANSWERS)
      for (const phrase of phrases[answer]) {
        const { compact } = readMessage(phrase);
        const other = this.#known.get(compact);
        if (other && other !== answer) throw new Error(`"${phrase}" is both ${other} and ${answer}`);
        this.#known.set(compact, answer);
      }
  }

  read(text: string): ShortAnswer | null {
    return this.#known.get(readMessage(text).compact) ?? null;
  }
}
