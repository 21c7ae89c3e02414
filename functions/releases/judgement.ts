import { NONE } from '../dialog/bot.ts';

/** An utterance whose meaning a person has said: of the bot's held-out set, or a labelled turn. */
export interface Known {
  text: string;
  /** `none`: no intent. */
  intent: string;
}

/** How two models answer the same utterances, beside what people say they mean. Numbers of utterances, and none of their texts. */
export interface Judgement {
  inside: number;
  outside: number;
  /** Of production: right of those of an intent, refused of those of none. */
  before: { right: number; refused: number };
  /** Of the release. */
  after: { right: number; refused: number };
  /** Answered otherwise; of these, wrong before and right now, and the reverse. */
  changed: number;
  better: number;
  worse: number;
}

/** What a release may lose, in shares of the utterances. */
export interface Limits {
  inside: number;
  outside: number;
}

/** Fewer utterances that are lost say nothing. */
const LEAST = 3;

/** `before` and `after` are the labels of the utterances, in their order. */
export function judge(known: readonly Known[], before: readonly string[], after: readonly string[]): Judgement {
  const rows = known.map(({ intent }, index) => ({ intent, before: before[index], after: after[index] }));
  const inside = rows.filter(({ intent }) => intent !== NONE);
  const outside = rows.filter(({ intent }) => intent === NONE);
  const right = (all: typeof rows, when: 'before' | 'after') => all.filter((row) => row[when] === row.intent).length;
  return {
    inside: inside.length,
    outside: outside.length,
    before: { right: right(inside, 'before'), refused: right(outside, 'before') },
    after: { right: right(inside, 'after'), refused: right(outside, 'after') },
    changed: rows.filter((row) => row.before !== row.after).length,
    better: rows.filter((row) => row.before !== row.intent && row.after === row.intent).length,
    worse: rows.filter((row) => row.before === row.intent && row.after !== row.intent).length,
  };
}

/** Why a release is worse than production; null: it is not. */
export function worseThan({ inside, outside, before, after }: Judgement, limits: Limits): string | null {
  const lost = (from: number, to: number, of: number, limit: number) => from - to >= LEAST && (from - to) / of > limit;
  const percent = (count: number, of: number) => `${((100 * count) / of).toFixed(1)}%`;
  if (lost(before.right, after.right, inside, limits.inside))
    return `of ${inside} utterances that people have judged ${percent(after.right, inside)} are right, in production ${percent(before.right, inside)}`;
  if (lost(before.refused, after.refused, outside, limits.outside))
    return `of ${outside} that are of no intent ${percent(after.refused, outside)} are refused, in production ${percent(before.refused, outside)}`;
  return null;
}
