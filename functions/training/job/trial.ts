import type { Attempt, Trial } from '../search/plan.ts';

/** A trial of a search, made by whoever has time (container `trials`, partition key = id), guarded by its ETag. Pure: time is passed in. */
export interface StoredTrial {
  id: string;
  /** The job that it is for. */
  training: string;
  attempt: Attempt;
  /** When somebody was last called to make it. */
  calledAt: number;
  claim: { by: string; until: number } | null;
  /** Workers that had it and died. */
  deaths: number;
  /** What came of it. */
  trial: Trial | null;
  /** Who made it, and when. */
  by: string | null;
  endedAt: number | null;
}

/** What trials are called in messages: their place in the search, and the part that they are judged on. */
export const TRIAL_ID = /^\d{1,4}\.\d$/;

export const nameOf = ({ index, rung }: Pick<Attempt, 'index' | 'rung'>): string => `${index}.${rung}`;
export const documentOf = (training: string, name: string): string => `${training}.${name}`;

/** Workers that one trial may cost. */
const DEATHS = 3;
/** How long a call may go unheard while nobody makes any trial, and after a worker died, in milliseconds. */
const [UNHEARD_MS, GONE_MS] = [60_000, 5_000];

export function called(training: string, attempt: Attempt, now: number): StoredTrial {
  const id = documentOf(training, nameOf(attempt));
  return { id, training, attempt, calledAt: now, claim: null, deaths: 0, trial: null, by: null, endedAt: null };
}

const isHeld = ({ claim }: StoredTrial, now: number): boolean => claim !== null && claim.until > now;

/** Takes a trial; null: somebody else has it, or it is made. One that killed its workers counts as one that can't be trained. */
export function take(stored: StoredTrial, by: string, now: number, ms: number): StoredTrial | null {
  if (stored.trial || isHeld(stored, now)) return null;
  const deaths = stored.deaths + (stored.claim ? 1 : 0);
  if (deaths >= DEATHS) return end({ ...stored, deaths }, by, unmade(stored.attempt), now);
  return { ...stored, deaths, claim: { by, until: now + ms } };
}

/** The same worker goes on; null: it has lost the trial. */
export function hold(stored: StoredTrial, by: string, now: number, ms: number): StoredTrial | null {
  if (stored.claim?.by !== by || stored.trial) return null;
  return { ...stored, claim: { by, until: now + ms } };
}

/** Gives it back without a word of it. */
export function release(stored: StoredTrial, by: string): StoredTrial | null {
  return stored.claim?.by === by && !stored.trial ? { ...stored, claim: null } : null;
}

export function end(stored: StoredTrial, by: string, trial: Trial, now: number): StoredTrial {
  return { ...stored, claim: null, trial, by, endedAt: now };
}

/** A trial with settings that can't be trained. */
export function unmade(attempt: Attempt): Trial {
  return { ...attempt, figures: null, of: 0, wrong: [], seconds: 0 };
}

/** Whether anybody is at work. */
export function isUnderWay(trials: readonly StoredTrial[], now: number): boolean {
  return trials.some((one) => !one.trial && isHeld(one, now));
}

/** Trials that nobody has heard of any more: their call was lost, or their worker died. */
export function unheard(trials: readonly StoredTrial[], now: number): StoredTrial[] {
  const open = trials.filter(({ trial }) => !trial);
  const sign = Math.max(
    ...trials.map(({ calledAt, endedAt, claim }) => Math.max(calledAt, endedAt ?? 0, claim?.until ?? 0)),
  );
  return open.filter((one) => {
    if (isHeld(one, now)) return false;
    if (one.claim && one.claim.until + GONE_MS < now && one.calledAt < one.claim.until) return true;
    return now - sign > UNHEARD_MS;
  });
}
