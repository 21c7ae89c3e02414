/** What gives a kind of personal detail away; data of a language (functions/bot/personal-details.json). */
export interface Detector {
  /** What stands in its place, in brackets. */
  kind: string;
  /** `number`: digits and what may stand between them, written as `-`; `address`: a word around an `@`. */
  of: 'number' | 'address';
  /** The whole of what was found; of a number with `plain`, its digits alone. */
  pattern: RegExp;
  plain: boolean;
  /** What must hold for its digits, too. */
  check: 'luhn' | 'resident' | null;
}

interface Span {
  from: number;
  to: number;
  /** Of its detector: the first weigh most. */
  rank: number;
}

/** Characters of one number, and parts of one: "4111 1111 1111 1111" has four. */
const NUMBER_LENGTH = 40;
const PARTS = 19;
/** Fewer digits are no detail of anybody. */
const FEWEST = 8;
const LOCAL_LENGTH = 64;
const DOMAIN_LENGTH = 255;

const DIGIT = /^\p{Nd}$/u;
const DASH = /^[\p{Pd}\u2212.,_·()/|*~\u200b-\u200f\u2060\ufeff]$/u;
const SPACE = /^\s$/u;
const LOCAL = /^[\p{L}\p{N}._%+'-]$/u;
const DOMAIN = /^[\p{L}\p{N}.-]$/u;
/** Signs between two parts of one number. */
const GAP = 4;

/** A text without its personal details: each is replaced by its kind in brackets. Takes time in proportion to the text. */
export function mask(text: string, detectors: readonly Detector[]): string {
  const signs = [...text];
  const words = signs.map((sign) => sign.normalize('NFKC'));
  const spans = [...addresses(words, detectors), ...numbers(signs.map(plainSign), detectors)].sort(
    (a, b) => a.from - b.from,
  );
  let masked = '';
  let at = 0;
  for (let index = 0; index < spans.length; ) {
    let { from, to, rank } = spans[index]!;
    // What overlaps may be one or the other: all of it goes, by the name of what weighs most.
    for (index += 1; index < spans.length && spans[index]!.from < to; index += 1) {
      to = Math.max(to, spans[index]!.to);
      rank = Math.min(rank, spans[index]!.rank);
    }
    masked += `${signs.slice(at, from).join('')}[${detectors[rank]!.kind}]`;
    at = to;
  }
  return masked + signs.slice(at).join('');
}

/** A digit of any script as 0–9, anything that may divide a number as `-` or a space, everything else as compatibility has it. */
function plainSign(sign: string): string {
  const plain = sign.normalize('NFKC');
  if (/^\d$/.test(plain)) return plain;
  if (DIGIT.test(plain)) return digitOf(plain);
  if (plain === '+' || plain === '.' || plain === '_') return plain;
  if (DASH.test(plain)) return '-';
  return SPACE.test(plain) ? ' ' : plain;
}

/** Unicode has the digits of a script in a row, from zero on. */
function digitOf(sign: string): string {
  const code = sign.codePointAt(0)!;
  let value = 0;
  while (value < 9 && DIGIT.test(String.fromCodePoint(code - value - 1))) value += 1;
  return String(value);
}

/** Runs of digits, with signs between them that may divide a number: every choice of neighbouring parts is looked at. */
function numbers(plain: string[], detectors: readonly Detector[]): Span[] {
  const found: Span[] = [];
  for (const parts of runs(plain))
    for (let first = 0; first < parts.length; first += 1) {
      let text = '';
      let digits = '';
      for (let last = first; last < Math.min(parts.length, first + PARTS); last += 1) {
        const part = parts[last]!;
        text += `${last > first ? '-' : ''}${part.text}`;
        digits += part.text.replace('+', '');
        if (text.length > NUMBER_LENGTH) break;
        const rank = digits.length < FEWEST ? -1 : rankOf('number', text, digits, detectors);
        if (rank !== -1) found.push({ from: parts[first]!.from, to: part.to, rank });
      }
    }
  return found;
}

interface Part {
  from: number;
  to: number;
  text: string;
}

/** Groups of digits that stand so near each other that they may be one number. */
function runs(plain: string[]): Part[][] {
  const all: Part[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < plain.length; at += 1) {
    if (!isDigit(plain[at])) continue;
    const from = plain[at - 1] === '+' ? at - 1 : at;
    let text = from < at ? '+' : '';
    while (isDigit(plain[at])) text += plain[at++];
    // "(02) 123" has two signs between its parts; what is further apart is another number.
    const near =
      from - end <= GAP &&
      plain.slice(end, from).every((sign) => sign === ' ' || sign === '.' || sign === '-' || sign === '_');
    if (near && !text.startsWith('+')) all.at(-1)!.push({ from, to: at, text });
    else all.push([{ from, to: at, text }]);
    end = at;
  }
  return all;
}

function addresses(plain: string[], detectors: readonly Detector[]): Span[] {
  const found: Span[] = [];
  for (let at = plain.indexOf('@'); at !== -1; at = plain.indexOf('@', at + 1)) {
    let from = at;
    while (from > 0 && at - from < LOCAL_LENGTH && LOCAL.test(plain[from - 1]!)) from -= 1;
    let to = at + 1;
    while (to < plain.length && to - at <= DOMAIN_LENGTH && DOMAIN.test(plain[to]!)) to += 1;
    while (to > at && /[.-]/.test(plain[to - 1]!)) to -= 1;
    // "naver.com으로": what follows a Latin ending without a space is no part of it.
    let ending = to;
    while (ending > at && plain[ending - 1] !== '.') ending -= 1;
    if (ending > at && /[a-z]/i.test(plain[ending] ?? ''))
      for (let end = ending; end < to; end += 1) if (!/[a-z\d-]/i.test(plain[end]!)) to = end;
    const text = plain.slice(from, to).join('');
    const rank = rankOf('address', text, '', detectors);
    if (rank !== -1) found.push({ from, to, rank });
  }
  return found;
}

function rankOf(of: Detector['of'], text: string, digits: string, detectors: readonly Detector[]): number {
  return detectors.findIndex(
    (known) =>
      known.of === of &&
      known.pattern.test(known.plain ? digits : text) &&
      (known.check !== 'luhn' || luhn(digits)) &&
      (known.check !== 'resident' || resident(digits)),
  );
}

/** Luhn's algorithm (ISO/IEC 7812-1, annex B). */
function luhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, sign, place) => {
    const value = place % 2 === 0 ? Number(sign) : Number(sign) * 2;
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** The check digit of a Korean resident number, until 2020; other numbers of thirteen digits seldom have it. */
function resident(digits: string): boolean {
  const weights = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
  const sum = weights.reduce((total, weight, place) => total + weight * Number(digits[place]), 0);
  return (11 - (sum % 11)) % 10 === Number(digits[12]);
}

function isDigit(sign: string | undefined): boolean {
  return sign !== undefined && sign >= '0' && sign <= '9' && sign.length === 1;
}
