import type { TurnId } from '../conversation/identifier.ts';
import { DAY_MS } from '../statistics/day.ts';
import type { Outcome } from '../statistics/rollup.ts';
import { type LoggedTurn, turnsWhere } from './call-log.ts';
import type { SqlParameter } from './documents.ts';

/** What the staff looks for in the call log. Everything that is given must hold. */
export interface Search {
  /** Answered from then on, and before. */
  from: number;
  to: number;
  intent?: string | undefined;
  minScore?: number | undefined;
  maxScore?: number | undefined;
  outcome?: Outcome | undefined;
  locale?: string | undefined;
  channel?: string | undefined;
  /** The version of the model that understood it. */
  model?: string | undefined;
  feedback?: 'up' | 'down' | undefined;
  /** What a person has said that it means. */
  label?: string | undefined;
  /** Part of what was written, whatever its case. */
  text?: string | undefined;
}

/** Where a list goes on: at a moment, without those of it that were given. */
export interface Place {
  at: number;
  seen: TurnId[];
}

export interface Found {
  turns: LoggedTurn[];
  /** Null: nothing is left. Also where nothing was found yet: the list is searched for so long at a time. */
  next: Place | null;
}

/** How long one search goes on, in milliseconds: what is rare may be found by the next. */
const BUDGET_MS = 500;
/** The first stretch of time that is looked at, and the longest. */
const [FIRST, LONGEST] = [DAY_MS, 8 * DAY_MS];
/** Of one moment, so many are told apart. */
const SEEN = 50;

/** The condition of each outcome, as statistics/rollup.ts tells them apart. */
const OUTCOME: Record<Outcome, string> = {
  failed: "c.outcome = 'failed'",
  handed_over: "c.outcome != 'failed' AND IS_DEFINED(c.handover)",
  person: "c.outcome != 'failed' AND NOT IS_DEFINED(c.handover) AND c.skill IN ('person', 'listener', 'rating')",
  not_understood: "c.outcome != 'failed' AND NOT IS_DEFINED(c.handover) AND c.skill = 'fallback'",
  answered:
    "c.outcome != 'failed' AND NOT IS_DEFINED(c.handover) AND NOT (c.skill IN ('person', 'listener', 'rating', 'fallback'))",
};

const CONDITIONS: Record<Exclude<keyof Search, 'from' | 'to' | 'outcome'>, string> = {
  intent: 'c.understanding.intent = @intent',
  minScore: 'c.understanding.score >= @minScore',
  maxScore: 'c.understanding.score <= @maxScore',
  locale: 'c.locale = @locale',
  channel: 'c.channel = @channel',
  model: 'c.understanding.model.version = @model',
  feedback: 'c.feedback.rating = @feedback',
  label: 'c.label = @label',
  text: 'CONTAINS(c.text, @text, true)',
};

/** What customers wrote, the newest first. Time by time, as only time is sure to be narrow: an answer never takes much longer than its budget. */
export async function searchTurns(search: Search, place: Place | null, limit: number): Promise<Found> {
  const started = Date.now();
  const given = (Object.keys(CONDITIONS) as (keyof typeof CONDITIONS)[]).filter((name) => search[name] !== undefined);
  const conditions = given.map((name) => CONDITIONS[name]);
  if (search.outcome) conditions.push(OUTCOME[search.outcome]);
  const parameters: SqlParameter[] = given.map((name) => ({ name: `@${name}`, value: search[name]! }));
  const turns: LoggedTurn[] = [];
  let high = place?.at ?? search.to - 1;
  let seen = new Set<string>(place?.seen);
  let span = FIRST;
  while (high >= search.from && Date.now() - started < BUDGET_MS) {
    const low = Math.max(search.from, high - span);
    const wanted = limit - turns.length + seen.size;
    const found = await turnsWhere(conditions, parameters, { low, high }, wanted);
    turns.push(...found.filter(({ id }) => !seen.has(id)));
    if (found.length >= wanted) {
      const at = found.at(-1)!.answeredAt;
      const same = turns.filter((turn) => turn.answeredAt === at).map(({ id }) => id);
      const before = at === high ? [...seen] : [];
      return { turns, next: { at, seen: [...before, ...same].slice(-SEEN) as TurnId[] } };
    }
    seen = new Set();
    high = low - 1;
    span = Math.min(span * 2, LONGEST);
  }
  return { turns, next: high >= search.from ? { at: high, seen: [] } : null };
}
