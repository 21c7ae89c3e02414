/** What gives a kind of personal detail away; data of a language (functions/content/personal-details.json). */
export interface Detector {
  /** What stands in its place, in brackets. */
  kind: string;
  /** `number`: digits and what may stand between them, written as `-`; `address`: a word around an `@`. */
  of: 'number' | 'address';
  /** The whole of what was found. */
  pattern: RegExp;
  /** Luhn's check digit, for numbers that are cards only with it. */
  luhn: boolean;
}

interface Span {
  from: number;
  to: number;
  kind: string;
}

/** Characters of one number, and parts of one: "4111 1111 1111 1111" has four. */
const NUMBER_LENGTH = 40;
const PARTS = 19;
/** Fewer digits are no detail of anybody. */
const FEWEST = 8;
const LOCAL_LENGTH = 64;
const DOMAIN_LENGTH = 255;

const DIGIT = /^\p{Nd}$/u;
const DASH = /^[\p{Pd}\u2212._·()/\u200b-\u200f\u2060\ufeff]$/u;
const SPACE = /^\s$/u;
const LOCAL = /^[\p{L}\p{N}._%+-]$/u;
const DOMAIN = /^[a-z\d.-]$/i;

/** A text without its personal details: each is replaced by its kind in brackets. Takes time in proportion to the text. */
export function mask(text: string, detectors: readonly Detector[]): string {
  const signs = [...text];
  const plain = signs.map(plainSign);
  const spans = [...addresses(plain, detectors), ...numbers(plain, detectors)].sort((a, b) => a.from - b.from);
  let masked = '';
  let at = 0;
  for (const { from, to, kind } of spans) {
    if (from < at) continue;
    masked += `${signs.slice(at, from).join('')}[${kind}]`;
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

/** Runs of digits, with signs between them that may divide a number; a run of several parts is tried whole before its parts are. */
function numbers(plain: string[], detectors: readonly Detector[]): Span[] {
  const found: Span[] = [];
  const kinds = detectors.filter(({ of }) => of === 'number');
  for (const parts of runs(plain))
    for (let first = 0; first < parts.length; ) {
      let next = first + 1;
      for (let last = Math.min(parts.length, first + PARTS); last > first; last -= 1) {
        const together = parts.slice(first, last);
        const text = together.map((part) => part.text).join('-');
        const digits = together.reduce((sum, part) => sum + part.to - part.from, 0);
        const kind = digits >= FEWEST && text.length <= NUMBER_LENGTH && kindOf(text, kinds);
        if (!kind) continue;
        found.push({ from: together[0]!.from, to: together.at(-1)!.to, kind });
        next = last;
        break;
      }
      first = next;
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
      from - end <= 3 &&
      plain.slice(end, from).every((sign) => sign === ' ' || sign === '.' || sign === '-' || sign === '_');
    if (near && !text.startsWith('+')) all.at(-1)!.push({ from, to: at, text });
    else all.push([{ from, to: at, text }]);
    end = at;
  }
  return all;
}

function addresses(plain: string[], detectors: readonly Detector[]): Span[] {
  const found: Span[] = [];
  const kinds = detectors.filter(({ of }) => of === 'address');
  for (let at = plain.indexOf('@'); at !== -1; at = plain.indexOf('@', at + 1)) {
    let from = at;
    while (from > 0 && at - from < LOCAL_LENGTH && LOCAL.test(plain[from - 1]!)) from -= 1;
    let to = at + 1;
    while (to < plain.length && to - at <= DOMAIN_LENGTH && DOMAIN.test(plain[to]!)) to += 1;
    while (to > at && /[.-]/.test(plain[to - 1]!)) to -= 1;
    const kind = kindOf(plain.slice(from, to).join(''), kinds);
    if (kind) found.push({ from, to, kind });
  }
  return found;
}

function kindOf(text: string, detectors: readonly Detector[]): string | undefined {
  return detectors.find(({ pattern, luhn }) => pattern.test(text) && (!luhn || hasCheckDigit(text)))?.kind;
}

/** Luhn's algorithm (ISO/IEC 7812-1, annex B). */
function hasCheckDigit(text: string): boolean {
  const digits = [...text].filter(isDigit).map(Number).reverse();
  const sum = digits.reduce((total, digit, place) => {
    const value = place % 2 === 0 ? digit : digit * 2;
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function isDigit(sign: string | undefined): boolean {
  return sign !== undefined && sign >= '0' && sign <= '9' && sign.length === 1;
}
