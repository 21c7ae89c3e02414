import { type Example, NONE, NOT } from './dataset.ts';
import { Random } from './random.ts';

/**
 * How people really write: a greeting in front, thanks behind, blanks left out, a slip of the finger. Copies of the utterances are
 * made so, from phrases that are data of a language, and trained on beside them. Only of what is trained on: a copy on the other side
 * of the split would judge what it came from.
 */
export interface Manner {
  /** The scripts of the language, as Unicode names them. */
  scripts: readonly string[];
  openings: readonly string[];
  closings: readonly string[];
  /** How a wish becomes a denial: what it begins or ends with, and what stands there then. */
  negations: { before: readonly (readonly [string, string])[]; behind: readonly (readonly [string, string])[] };
}

const DENIALS = 300;
/** Shares of the copies that are changed so. */
const OPENED = 0.45;
const CLOSED = 0.3;
const JOINED = 0.5;
const SLIPPED = 0.25;
/** What stands between an opening and the rest. */
const BETWEEN = [' ', ', ', '! ', '. ', '~ ', '... ', ' '];
const KEYS = ['qwertyuiop', 'asdfghjkl', 'zxcvbnm'];

/** A copy of each utterance, in the manner of its language; none of what no language writes. The same seed gives the same copies. */
export function copies(examples: readonly Example[], manners: readonly Manner[], seed: number): Example[] {
  const random = new Random(seed);
  const known = manners.map((manner) => ({
    ...manner,
    letters: new RegExp(`[${manner.scripts.map((script) => `\\p{Script=${script}}`).join('')}]`, 'u'),
    latin: manner.scripts.includes('Latin'),
  }));
  // Signs of other scripts decide before Latin ones, which every language has.
  known.sort((a, b) => Number(a.latin) - Number(b.latin));
  return examples.flatMap(({ text, intent }) => {
    const manner = known.find(({ letters }) => letters.test(text));
    if (!manner) return [];
    let copy = text;
    if (random.next() < SLIPPED) copy = slipped(copy, manner.latin, random);
    if (!manner.latin && random.next() < JOINED) copy = copy.replace(/\s+/gu, '');
    if (manner.openings.length > 0 && random.next() < OPENED)
      copy = `${pick(manner.openings, random)}${pick(BETWEEN, random)}${copy}`;
    if (manner.closings.length > 0 && random.next() < CLOSED) copy = `${copy} ${pick(manner.closings, random)}`;
    return copy === text ? [] : [{ text: copy, intent }];
  });
}

/** Wishes that are denied, of those of the given intents: by them the model learns what denies, whatever is denied. */
export function denials(
  examples: readonly Example[],
  manners: readonly Manner[],
  deniable: ReadonlySet<string>,
  seed: number,
): Example[] {
  const made = new Set<string>();
  const known = new Set(examples.map(({ text }) => text.toLowerCase()));
  for (const { text, intent } of examples) {
    if (!deniable.has(intent)) continue;
    const said = text.toLowerCase().trim();
    for (const { negations } of manners) {
      for (const [from, to] of negations.before) if (said.startsWith(from)) made.add(to + said.slice(from.length));
      for (const [from, to] of negations.behind) if (said.endsWith(from)) made.add(said.slice(0, -from.length) + to);
    }
  }
  const all = [...made].filter((text) => !known.has(text)).sort();
  // More of them than of a common intent would draw everything to themselves.
  return new Random(seed)
    .shuffle(all)
    .slice(0, DENIALS)
    .map((text) => ({ text, intent: NOT }));
}

/** Fewer utterances an intent, on average, are few: its name says much beside them. */
const FEW = 20;

/** Whether there are few utterances of each intent, which is where more of them help most. */
export function areFew(examples: readonly Example[]): boolean {
  return examples.length < FEW * intentsOf(examples).length;
}

function intentsOf(examples: readonly Example[]): string[] {
  return [...new Set(examples.map(({ intent }) => intent))].filter((intent) => intent !== NONE && intent !== NOT);
}

/** The name of each intent as an utterance of it, where there are few others: `order_status` says what it is about. */
export function names(examples: readonly Example[]): Example[] {
  if (!areFew(examples)) return [];
  const known = new Set(examples.map(({ text }) => text.toLowerCase()));
  return intentsOf(examples)
    .map((intent) => ({ text: spoken(intent), intent }))
    .filter(({ text }) => /\p{L}{3}|[\p{Script=Hangul}\p{Script=Han}]{2}/u.test(text) && !known.has(text));
}

/** `orderStatus`, `order-status` and `order_status` are "order status". */
function spoken(name: string): string {
  return name
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim()
    .toLowerCase();
}

function pick<T>(all: readonly T[], random: Random): T {
  return all[Math.floor(random.next() * all.length)]!;
}

/** One letter left out, doubled, swapped with the next or replaced by its neighbour on the keyboard; of Korean, one of its parts. */
export function slipped(text: string, latin: boolean, random: Random): string {
  const signs = [...(latin ? text : text.normalize('NFD'))];
  const letters = signs.flatMap((sign, index) => (/\p{L}/u.test(sign) ? [index] : []));
  if (letters.length < 5) return text;
  const at = letters[Math.floor(random.next() * letters.length)]!;
  const kind = Math.floor(random.next() * 4);
  if (!latin) {
    // A final consonant that is left out leaves a syllable that can be read.
    const finals = signs.flatMap((sign, index) => (sign >= '\u11a8' && sign <= '\u11ff' ? [index] : []));
    if (finals.length === 0) return text;
    signs.splice(finals[Math.floor(random.next() * finals.length)]!, 1);
    return signs.join('').normalize('NFC');
  }
  if (kind === 0) signs.splice(at, 1);
  else if (kind === 1) signs.splice(at, 0, signs[at]!);
  else if (kind === 2 && at + 1 < signs.length) signs.splice(at, 2, signs[at + 1]!, signs[at]!);
  else signs[at] = neighbour(signs[at]!, random);
  return signs.join('');
}

function neighbour(sign: string, random: Random): string {
  const row = KEYS.find((keys) => keys.includes(sign.toLowerCase()));
  if (!row) return sign;
  const at = row.indexOf(sign.toLowerCase());
  return row[at === 0 ? 1 : at === row.length - 1 || random.next() < 0.5 ? at - 1 : at + 1]!;
}
