import { distance } from 'fastest-levenshtein';
import type { Option } from '../conversation/flow.ts';
import { type Message, readMessage } from './message.ts';

/** `one`: that; `unclear`: several, or one that is ruled out; `unknown`: a number as options have it, and none of them has. */
export type Choice = { kind: 'one'; value: string } | { kind: 'unclear' } | { kind: 'unknown'; number: string };

/** Words that choose, in every language of the bot: content. */
export interface ChoiceWords {
  /** By place: the first, the second, … */
  places: readonly (readonly string[])[];
  last: readonly string[];
  /** Of two, the one that is not the present. */
  other: readonly string[];
  /** What stands beside it is what is not meant. */
  except: readonly string[];
  /** What may stand behind a word, or beside it, and says nothing. */
  endings: readonly string[];
}

/** Characters of a name or a part of it that are enough to be meant by. */
const PART = 2;
/** Words of a message that are looked at, and texts that are kept as they were read. */
const WORDS = 80;
const KNOWN = 2_000;
/** Words of a message that chooses by place alone: longer ones speak of something else. */
const SHORT = 5;

/** What a message chooses among options. Null: nothing of it speaks of one. */
export class Chooser {
  readonly #places: string[][];
  readonly #last: string[];
  readonly #other: string[];
  readonly #except: Set<string>;
  readonly #endings: string[];
  readonly #known = new Map<string, Message>();

  constructor({ places, last, other, except, endings }: ChoiceWords) {
    // The longest first.
    this.#endings = endings.map((text) => readMessage(text).compact).sort((a, b) => b.length - a.length);
    const bare = (texts: readonly string[]) => texts.map((text) => this.#bare(readMessage(text)).join(''));
    this.#places = places.map(bare);
    this.#last = bare(last);
    this.#other = bare(other);
    this.#except = new Set(except.map((text) => readMessage(text).compact));
  }

  /**
   * `asked`: the bot has just asked for it, so that an unknown number is about it; `placed`: a place is, in what is listed;
   * `present`: what it speaks of now.
   */
  choose(
    text: string,
    options: readonly Option[],
    { asked = false, placed: inList = asked, present }: { asked?: boolean; placed?: boolean; present?: string } = {},
  ): Choice | null {
    const message = this.#read(text);
    const named = this.#byNumber(message, options);
    const ruledOut = message.words.some((word) => this.#excludes(word));
    if (named.length > 0) return named.length > 1 || ruledOut ? { kind: 'unclear' } : { kind: 'one', value: named[0]! };
    const unknown = message.numbers.find((number) => number.length >= 5 && number.length <= 8);
    if (asked && unknown) return { kind: 'unknown', number: unknown };
    const bare = this.#bare(message);
    const meant = bare.filter((word) => !this.#excludes(word));
    const listed = options.filter((option) => option.listed !== false);
    const placed = inList || present !== undefined ? this.#byPlace(meant, message, listed, inList, present) : null;
    if (placed) return ruledOut ? { kind: 'unclear' } : { kind: 'one', value: placed };
    // A whole name says more than a part of one: "skin doctor" than "doctor".
    const whole = longest(
      options.flatMap((option) => {
        const said = option.names.filter((name) => this.#names(message, name));
        return said.length > 0 ? [{ option, length: Math.max(...said.map((name) => name.length)), said }] : [];
      }),
    );
    const kept = whole.filter(({ names }) => !names.some((name) => this.#isRuledOut(message, name)));
    // Who rules one out beside another means the other.
    if (whole.length > 1 && kept.length === 1) return { kind: 'one', value: kept[0]!.value };
    const parts =
      whole.length > 0 ? whole : options.filter(({ names }) => names.some((name) => this.#speaksOf(bare, name)));
    const close =
      parts.length > 0 || !asked ? parts : options.filter(({ names }) => names.some((name) => isClose(meant, name)));
    if (close.length === 0) return null;
    return close.length > 1 || ruledOut ? { kind: 'unclear' } : { kind: 'one', value: close[0]!.value };
  }

  /** Whether a message says of something that it is not meant: "not tomorrow", "내일 말고". `joins`: words that may only go on: "but". */
  rulesOut(text: string, joins: ReadonlySet<string>): boolean {
    return this.#read(text).words.some((word) => this.#excludes(word) && !joins.has(word));
  }

  /** Whether a message has the whole of a name. Languages without blanks have it anywhere. */
  #names({ words, compact }: Message, name: string): boolean {
    const own = this.#read(name);
    if (own.words.every((word) => /^[a-z]/.test(word)))
      return (
        own.words.length > 0 &&
        own.words.every((word) => word.length > PART && words.some((said) => isForm(said, word)))
      );
    return own.compact.length >= PART && !/^\d+$/.test(own.compact) && compact.includes(own.compact);
  }

  /** Whether a word right behind a name says that it is not meant; in languages that write it there without a blank. */
  #isRuledOut({ compact }: Message, name: string): boolean {
    const own = this.#read(name).compact;
    const at = compact.indexOf(own);
    if (at < 0 || /^[a-z]/.test(own)) return false;
    const behind = compact.slice(at + own.length);
    return [...this.#except].some((known) => !/^[a-z]/.test(known) && behind.startsWith(known));
  }

  /** Names are read again and again, and a message of thousands of words names nothing. */
  #read(text: string): Message {
    const known = this.#known.get(text);
    if (known) return known;
    const { words, numbers, ...rest } = readMessage(text);
    const message = { ...rest, words: words.slice(0, WORDS), numbers: numbers.slice(0, WORDS) };
    if (this.#known.size >= KNOWN) this.#known.clear();
    this.#known.set(text, message);
    return message;
  }

  #byNumber({ numbers }: Message, options: readonly Option[]): string[] {
    const own = options.filter(({ value }) => numbers.includes(value.replace(/\D/g, '')));
    return own.map(({ value }) => value);
  }

  /** Whether a word says that what stands beside it is not meant. */
  #excludes(word: string): boolean {
    const stem = this.#stem(word);
    if (this.#except.has(word) || this.#except.has(stem)) return true;
    // Some languages write it behind a word without a blank.
    return [...this.#except].some((known) => !/^[a-z]/.test(known) && stem.endsWith(known));
  }

  /** The words that say something, without what may stand behind them. */
  #bare({ words }: Message): string[] {
    return words
      .map((word) => this.#stem(word))
      .filter((word) => /[\p{L}\p{N}]/u.test(word) && !this.#endings.includes(word));
  }

  #stem(word: string): string {
    if (/^[a-z]/.test(word)) return word;
    const ending = this.#endings.find((known) => known.length < word.length && word.endsWith(known));
    return ending === undefined ? word : this.#stem(word.slice(0, -ending.length));
  }

  #byPlace(
    bare: string[],
    { numbers }: Message,
    options: readonly Option[],
    inList: boolean,
    present: string | undefined,
  ): string | null {
    if (bare.length === 0 || bare.length > SHORT) return null;
    const said = bare.join('');
    const others = options.filter(({ value }) => value !== present);
    if (present !== undefined && others.length === 1 && this.#other.includes(said)) return others[0]!.value;
    if (!inList) return null;
    if (this.#last.includes(said)) return options.at(-1)?.value ?? null;
    const [number] = numbers;
    const count = numbers.length === 1 && number!.length === 1 && bare.length === 1 ? Number(number) - 1 : -1;
    const place = count >= 0 ? count : this.#places.findIndex((words) => words.includes(said));
    return options[place]?.value ?? null;
  }

  /** Whether a word names it, or a part of it that is long enough. */
  #speaksOf(bare: string[], name: string): boolean {
    const { words, compact } = this.#read(name);
    return bare.some((word) => {
      if (/^[a-z]/.test(word)) return word.length > PART && words.some((own) => isForm(word, own));
      return word.length >= PART && !/^\d+$/.test(word) && compact.includes(word);
    });
  }
}

interface Named {
  option: Option;
  length: number;
  said: string[];
}

/** Of options one of whose names is in another's, the longer: who says "Galaxy Phone Pro" does not mean "Galaxy Phone". */
function longest(found: Named[]): Option[] {
  return found
    .filter(
      ({ said, length }) =>
        !found.some(
          (other) =>
            other.length > length &&
            said.every((name) => other.said.some((longer) => longer !== name && longer.includes(name))),
        ),
    )
    .map(({ option }) => option);
}

/** The same word, or one of several. */
function isForm(said: string, word: string): boolean {
  return said === word || said === `${word}s` || `${said}s` === word;
}

/** Letters of a word, of which one may be another: so many are needed. */
const CLOSE = 6;
/** Longer ones are no words. */
const LONG = 40;

/** Whether a word is a near miss of one of a name: a letter more, less or other. Korean is compared by its letters. */
function isClose(said: readonly string[], name: string): boolean {
  const letters = (word: string) => word.normalize('NFD');
  const own = readMessage(name)
    .words.map(letters)
    .filter((word) => [...word].length >= CLOSE);
  return said
    .filter((word) => word.length <= LONG)
    .map(letters)
    .some((word) => own.some((known) => distance(word, known) <= (Math.min(word.length, known.length) > 9 ? 2 : 1)));
}
