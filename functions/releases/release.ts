import type { Judgement } from './judgement.ts';
import type { ReleasedModel } from './label.ts';

/**
 * A release: an image on its way to production (container `releases`, partition key = id), guarded by its ETag. The
 * functions here are pure: time is passed in.
 */
export interface Release {
  /** The digest with `-` for `:`. */
  id: string;
  digest: string;
  repository: string;
  state: State;
  models: Omit<ReleasedModel, 'golden'>[];
  /** What a slot that runs it reports; null before it is verified. */
  release: string | null;
  steps: Step[];
  /** Failures of the present step in a row. */
  attempts: number;
  /** Who works on it, until when. */
  claim: { by: string; until: number } | null;
  /** When the present state was reached. */
  since: number;
  checks: Checks | null;
  /** Why it failed, in words, and the end of the slot's log. */
  reason: string | null;
  pushedAt: number;
  /** It has been ramped: that does not begin once more by itself. */
  ramped?: true;
  /** The state that operators were last told of. */
  notified: State | null;
}

export type State =
  | 'pushed'
  | 'verified'
  /** An image of the server without a model: others are made of it, and it is not staged. */
  | 'base'
  | 'staging'
  | 'warm'
  | 'ready'
  | 'live'
  | 'superseded'
  | 'failed'
  | 'rolled-back';

interface Step {
  state: State;
  at: number;
  /** Who did it, where a person did. */
  by?: string;
  note?: string;
}

/** What the staged image answered. Nothing of any user: no text, and no turn by its id. */
export interface Checks {
  golden: { passed: number; failed: number };
  /** With production, on logged utterances; null where there are none yet. */
  comparison: {
    compared: number;
    same: number;
    stagingP95: number;
    productionP95: number;
  } | null;
  /** With production, on utterances that people have judged; null or absent where there are none. */
  judgement?: Judgement | null;
  /** Of the FAQ's model; null: production or the release has none. */
  faq?: Judgement | null;
}

/** Where a release may go from each state. */
const NEXT: Record<State, readonly State[]> = {
  pushed: ['verified', 'failed', 'superseded'],
  verified: ['base', 'staging', 'failed', 'superseded'],
  base: [],
  staging: ['warm', 'failed', 'superseded'],
  warm: ['ready', 'failed', 'superseded'],
  ready: ['live', 'failed', 'superseded'],
  live: ['superseded', 'rolled-back', 'failed'],
  // A swap back makes it live again.
  superseded: ['live'],
  'rolled-back': ['live', 'superseded'],
  failed: [],
};
/** States in which a worker has something to do. */
const UNDER_WAY: readonly State[] = ['pushed', 'verified', 'staging', 'warm'];
const ATTEMPTS = 8;
const STEPS_LIMIT = 100;
const REASON_LIMIT = 8_000;

export const idOf = (digest: string): string => digest.replace(':', '-');

/** A release of an image that was pushed `at`, where the registry said when: its messages may come in another order. */
export function pushed(digest: string, repository: string, now: number, at = now): Release {
  return {
    id: idOf(digest),
    digest,
    repository,
    state: 'pushed',
    models: [],
    release: null,
    steps: [{ state: 'pushed', at: now }],
    attempts: 0,
    claim: null,
    since: now,
    checks: null,
    reason: null,
    pushedAt: at,
    notified: null,
  };
}

export const underWay = ({ state }: Release): boolean => UNDER_WAY.includes(state);

/** An image that was in use before was pushed once more, `at`: it goes the whole way again. */
export function again(release: Release, now: number, at = now): Release {
  const step: Step = { state: 'pushed', at: now, note: 'pushed again' };
  return {
    ...release,
    state: 'pushed',
    since: now,
    pushedAt: at,
    attempts: 0,
    claim: null,
    checks: null,
    reason: null,
    notified: null,
    steps: [...release.steps, step].slice(-STEPS_LIMIT),
  };
}

/** Takes a release to work on it; null when another one does, or nothing is to be done. */
export function claim(release: Release, by: string, now: number, ms: number): Release | null {
  if (!underWay(release) || (release.claim && release.claim.until > now && release.claim.by !== by)) return null;
  return { ...release, claim: { by, until: now + ms } };
}

/** Moves a release on. Throws when it may not go there: that is a mistake of the caller. */
export function move(
  release: Release,
  state: State,
  now: number,
  more: { note?: string; by?: string } & Partial<Pick<Release, 'models' | 'release' | 'checks' | 'reason'>> = {},
): Release {
  if (!NEXT[release.state].includes(state)) throw new Error(`a release can't go from ${release.state} to ${state}`);
  const { note, by, ...fields } = more;
  const step: Step = { state, at: now, ...(by ? { by } : {}), ...(note ? { note } : {}) };
  return {
    ...release,
    ...fields,
    state,
    since: now,
    attempts: 0,
    claim: null,
    steps: [...release.steps, step].slice(-STEPS_LIMIT),
  };
}

export function fail(release: Release, reason: string, now: number): Release {
  const short = reason.slice(0, REASON_LIMIT);
  return move(release, 'failed', now, { reason: short, note: short.split('\n')[0]!.slice(0, 300) });
}

/** A step did not work: it is tried again later, or was the last time. */
export function stumble(release: Release, reason: string, now: number): Release {
  if (release.attempts + 1 >= ATTEMPTS) return fail(release, reason, now);
  return { ...release, attempts: release.attempts + 1, claim: null, reason: reason.slice(0, REASON_LIMIT) };
}

/** Milliseconds until a step is tried again: a second, then twice as long each time, up to half a minute. */
export function pause({ attempts }: Release): number {
  return Math.min(1_000 * 2 ** Math.max(0, attempts - 1), 30_000);
}
