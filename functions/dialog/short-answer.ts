import { readMessage } from './message.ts';

/** What a whole message may say to any dialog, in any of the bot's languages. */
const SHORT_ANSWERS = ['yes', 'no', 'stop', 'again', 'wait', 'skip'] as const;
export type ShortAnswer = (typeof SHORT_ANSWERS)[number];

/** Content: whole messages by what they say, and the words that a yes may be made of. */
export interface ShortAnswerWords extends Record<ShortAnswer, readonly string[]> {
  /** Each of them is a yes by itself. */
  agree: readonly string[];
  /** What may stand beside them and takes nothing away: "please", "do it", "thanks". */
  agree_with: readonly string[];
}

/**
 * Which answer a whole message is; null: none, or not clearly. A message is a yes when it is known as one, or when every word of it
 * is: one that is not known may be "but", and what can't be taken back must not be done by half of a sentence.
 */
export class ShortAnswers {
  readonly #known = new Map<string, ShortAnswer>();
  readonly #agree: Set<string>;
  readonly #beside: Set<string>;

  /** Throws where two answers have the same words. */
  constructor(words: ShortAnswerWords) {
    for (const answer of SHORT_ANSWERS)
      for (const phrase of words[answer]) {
        const { compact } = readMessage(phrase);
        const other = this.#known.get(compact);
        if (other && other !== answer) throw new Error(`"${phrase}" is both ${other} and ${answer}`);
        this.#known.set(compact, answer);
      }
    const short = (texts: readonly string[]) => new Set(texts.map((text) => squeezed(readMessage(text).compact)));
    this.#agree = short(words.agree);
    this.#beside = short(words.agree_with);
  }

  read(text: string): ShortAnswer | null {
    const { compact, words, asks } = readMessage(text);
    const known = this.#known.get(compact);
    if (known) return known;
    if (asks) return null;
    const said = words.map(squeezed);
    // It begins with one: "is that correct" and "would you confirm" ask, with or without a sign.
    const agrees = said.length > 0 && this.#agree.has(said[0]!);
    return agrees && said.every((word) => this.#agree.has(word) || this.#beside.has(word)) ? 'yes' : null;
  }
}

/** A word without the letters that it was drawn out with at its end: "yesss", "네네네". Within a word they may mock: "suuure". */
function squeezed(word: string): string {
  const letters = [...word];
  let end = letters.length;
  while (end > 1 && letters[end - 1] === letters[end - 2]) end -= 1;
  return letters.slice(0, end).join('');
}
