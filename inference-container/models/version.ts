/** What may name a folder that is served: a model, or one of its versions. */
const NAME = /^[\w-][\w.-]{0,63}$/;
export const NAME_RULE = 'has 1 to 64 letters, digits or any of . _ - and no dot in front';

export function isName(text: string): boolean {
  return NAME.test(text);
}

const VERSION = /^v?\d/i;
export const VERSION_RULE = 'the name of a version starts with a digit, or v and a digit';

/** Whether a folder's name says which version it is: `3`, `v2`, `1.0.0-rc1`, `2026-11-27`, and not `tmp` or `old`. */
export function isVersion(text: string): boolean {
  return isName(text) && VERSION.test(text);
}

/**
 * Orders versions, the oldest first: 1.9 before 1.10, and what is before a release before it: 1.0.0-rc1, 1.0.0rc1, 1.0.0-alpha.2 and
 * 1.0.0.dev3 before 1.0.0 (Semantic Versioning 2.0.0, and the usual forms of PEP 440). What is no version comes first of all.
 */
export function byVersion(a: string, b: string): number {
  const [one, other] = [parse(a), parse(b)];
  if (!one || !other) return Number(one !== null) - Number(other !== null) || letters(a, b);
  for (let at = 0; at < Math.max(one.numbers.length, other.numbers.length); at += 1) {
    const difference = compareNumbers(one.numbers[at] ?? '0', other.numbers[at] ?? '0');
    if (difference !== 0) return difference;
  }
  for (let at = 0; at < Math.max(one.rest.length, other.rest.length); at += 1) {
    const difference = compareParts(one.rest[at], other.rest[at]);
    if (difference !== 0) return difference;
  }
  return letters(a, b);
}

interface Parsed {
  numbers: string[];
  /** Numbers and words behind. */
  rest: Part[];
}

interface Part {
  text: string;
  /** −1: comes before the same version without it; 1: after. */
  side: -1 | 1;
}

/** Words for what comes after a release. */
const AFTER = new Set(['post', 'rev', 'r', 'patch', 'p']);

function parse(version: string): Parsed | null {
  if (!isVersion(version)) return null;
  const text = version.replace(/^v/i, '');
  const [head = ''] = /^[\d.]+/.exec(text) ?? [];
  const numbers = head.split('.').filter(Boolean);
  const behind = text.slice(head.length);
  const texts = behind.toLowerCase().match(/\d+|[a-z]+/g) ?? [];
  // Behind three numbers and a dash even a number is what comes before; a date goes on.
  const semantic = numbers.length === 3 && behind.startsWith('-');
  const before = (semantic && !AFTER.has(texts[0] ?? '')) || /^[a-z]/.test(texts[0] ?? '0');
  const side = before && !AFTER.has(texts[0] ?? '') ? -1 : 1;
  return { numbers, rest: texts.map((text, at) => ({ text, side: at === 0 ? side : 1 })) };
}

function compareParts(a: Part | undefined, b: Part | undefined): number {
  if (!a || !b) return a ? a.side : b ? -b.side : 0;
  if (a.side !== b.side) return a.side - b.side;
  const [one, other] = [/^\d/.test(a.text), /^\d/.test(b.text)];
  if (one && other) return compareNumbers(a.text, b.text);
  // A number before a word, as Semantic Versioning has it.
  return one === other ? letters(a.text, b.text) : one ? -1 : 1;
}

/** By value, of any length. */
function compareNumbers(a: string, b: string): number {
  const [one, other] = [a.replace(/^0+(?=\d)/, ''), b.replace(/^0+(?=\d)/, '')];
  return one.length - other.length || letters(one, other);
}

function letters(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
