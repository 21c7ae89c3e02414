import type { Locale } from './document.ts';

/** A language that a bot speaks: data of the bot's folder (languages.json). */
export interface Language {
  /** BCP 47: `en`, `ko`, `pt-BR`. */
  tag: Locale;
  /** In the language itself. */
  name: string;
  /** ISO 15924 names of the scripts it is written in, as Unicode has them: `Latin`, `Hangul`. */
  scripts: readonly string[];
  /** Short or common words that tell it from other languages of the same script, or that are too short to tell otherwise. */
  words: readonly string[];
  /** Where a text lacks in this language, it is taken from that one. */
  fallback?: Locale | undefined;
  /** How money is written, `{amount}` being the number; without it, as the language's own rules say. */
  money?: string | undefined;
}

/** Order numbers and brands are Latin in every language. */
const CODE = /(?<![\p{L}\p{N}])[a-z]{2,5}[\s\p{Pd}]?\d+/giu;
/** "OK", "A/S", "TV": words that texts of other scripts have too. */
const SHORT = 3;
const LATIN = 'Latin';

/** Finds the language of a message among those that a bot speaks. The first is the one for whoever says nothing else. */
export class Languages {
  readonly all: readonly Language[];
  readonly #letters: ReadonlyMap<Locale, RegExp>;
  readonly #words: ReadonlyMap<Locale, ReadonlySet<string>>;

  /** Throws where there is none, or a script that Unicode does not know. */
  constructor(all: readonly Language[]) {
    if (all.length === 0) throw new Error('a bot speaks at least one language');
    this.all = all;
    const letters = (scripts: readonly string[]) =>
      new RegExp(`[${scripts.map((script) => `\\p{Script=${script}}`).join('')}]`, 'gu');
    this.#letters = new Map(all.map(({ tag, scripts }) => [tag, letters(scripts)]));
    this.#words = new Map(all.map(({ tag, words }) => [tag, new Set(words.map((word) => word.toLowerCase()))]));
  }

  get first(): Locale {
    return this.all[0]!.tag;
  }

  /** The language to answer in: the text decides where it can, else the one that the client named or the conversation has. */
  of(text: string, otherwise: Locale): Locale {
    const known = this.#letters.has(otherwise) ? otherwise : this.first;
    const own = this.all.filter(({ scripts }) => !scripts.includes(LATIN));
    const written = this.#most(own, ({ tag }) => text.match(this.#letters.get(tag)!)?.length ?? 0, known);
    if (written) return written;
    const latin = this.all.filter(({ scripts }) => scripts.includes(LATIN));
    const foreign = !latin.some(({ tag }) => tag === known);
    const words =
      text
        .replace(CODE, ' ')
        .toLowerCase()
        .match(/\p{Script=Latin}+/gu) ?? [];
    const telling = words.filter((word) => !foreign || word.length > SHORT || this.#isWord(word, latin));
    if (telling.length === 0) return known;
    const spoken = this.#most(
      latin,
      ({ tag }) => telling.filter((word) => this.#words.get(tag)!.has(word)).length,
      known,
    );
    return spoken ?? (foreign ? (latin[0]?.tag ?? known) : known);
  }

  /** The bot's language for a language tag, by its first part where there is no closer one; null when none was named. */
  named(tag: string | undefined): Locale | null {
    if (tag === undefined) return null;
    const asked = tag.toLowerCase();
    const tags = this.all.map((language) => language.tag);
    const [main] = asked.split('-');
    return (
      tags.find((known) => known.toLowerCase() === asked) ??
      tags.find((known) => known.toLowerCase().split('-')[0] === main) ??
      this.first
    );
  }

  /** The language and those that stand in for it, in order; the bot's first is the last resort. */
  chain(tag: Locale): Locale[] {
    const chain: Locale[] = [];
    for (let next: Locale | undefined = tag; next && !chain.includes(next); ) {
      chain.push(next);
      const at: Locale = next;
      next = this.all.find((language) => language.tag === at)?.fallback;
    }
    return chain.includes(this.first) ? chain : [...chain, this.first];
  }

  find(tag: Locale): Language {
    return this.all.find((language) => language.tag === tag) ?? this.all[0]!;
  }

  #isWord(word: string, languages: readonly Language[]): boolean {
    return languages.some(({ tag }) => this.#words.get(tag)!.has(word));
  }

  /** The language with the most of something; of equals the one that is spoken already. Null: none has any. */
  #most(languages: readonly Language[], count: (language: Language) => number, known: Locale): Locale | null {
    const counted = languages.map((language) => ({ tag: language.tag, count: count(language) }));
    const most = Math.max(0, ...counted.map((one) => one.count));
    if (most === 0) return null;
    const best = counted.filter((one) => one.count === most).map(({ tag }) => tag);
    return best.includes(known) ? known : best[0]!;
  }
}
