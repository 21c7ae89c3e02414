import type { Agent } from '../../conversation/document.ts';
import type { Judgement } from '../../releases/judgement.ts';
import type { Settings } from '../search/settings.ts';

/**
 * A training job: from what people have taught to a release (container `trainings`, partition key = id), guarded by its ETag. The functions
 * here are pure: time is passed in.
 */
export interface TrainingJob {
  /** `t` and the time that it was made at. */
  id: string;
  at: number;
  /** Who asked for it; null: it began by itself. */
  by: Agent | null;
  why: Why;
  /** What was taught since the job before: utterances, questions of the FAQ, labels. */
  changes: number;
  /** The content that it is trained on, by its version. */
  content: string;
  /** What its models are called: greater than that of any job before. */
  version: string;
  /** Settings are tried first; null: it is trained as it is. */
  search: Search | null;
  state: State;
  /** When the present state was reached. */
  since: number;
  /** How far the training is, from 0 to 1. */
  share: number;
  /** The mean cross entropy as it went, by how far the training was. Each part that is held out begins anew. */
  losses: Loss[];
  claim: { by: string; until: number } | null;
  /** Attempts at the present state that ended without an end. */
  attempts: number;
  models: TrainedModel[];
  verdict: Verdict | null;
  /** Of the image that was pushed. */
  digest: string | null;
  /** Why it failed, in words. */
  reason: string | null;
  /** Who wants it to end, until it has. */
  stop: Agent | null;
  steps: Step[];
  /** The state that operators were last told of. */
  notified: State | null;
}

/** What made it begin: somebody, so many changes, or the time of the day. */
export type Why = 'person' | 'changes' | 'time';

export interface Search {
  trials: number;
  /** No trial begins later than so many seconds after the first. */
  seconds: number;
  /** When that is; null: it has not begun. */
  until: number | null;
  /** What the settings are in the recipe as it is; null: it has not begun. */
  present: Required<Settings> | null;
  /** How many have ended, counting each part that one is judged on, of so many. */
  done: number;
  expected: number;
  /** What it came to; null: it has not, or no time was left to judge anything on everything. */
  found: {
    /** What the best does otherwise; nothing: it is no better than chance. */
    settings: Settings;
    before: TrialFigures;
    after: TrialFigures;
  } | null;
}

interface TrialFigures {
  accuracy: number;
  auroc: number | null;
}

export type State =
  | 'queued'
  /** Its trials are made, by whoever has time. */
  | 'searching'
  | 'training'
  /** Trained and judged; better than what is live, or a person has said that it goes on. */
  | 'judged'
  /** Trained and judged; a person has to say whether it goes on. */
  | 'waiting'
  /** Trained and judged; worse than what is live: it stays, with its report. */
  | 'kept'
  /** Its image is in the registry. */
  | 'pushed'
  /** Staged, and checked there: it can go live. */
  | 'released'
  | 'failed'
  | 'cancelled';

interface Step {
  state: State;
  at: number;
  by?: string;
  note?: string;
}

export interface Loss {
  share: number;
  loss: number;
}

export interface TrainedModel {
  name: string;
  version: string;
  /** Utterances or questions that it was trained on, and how many intents or entries it tells apart. */
  examples: number;
  labels: number;
  threshold: number;
  bytes: number;
  /** Of one text, in the training's own process. */
  micros: number;
  /** Of the training. */
  seconds: number;
  /** On what was held out of the training. */
  metrics: Record<string, number>;
}

/** How it does beside what is live. Numbers and names of intents, and nothing that anybody wrote. */
export interface Verdict {
  /** Null: there was nothing to judge by, or nothing is live. */
  intents: Judgement | null;
  faq: Judgement | null;
  /** Intents that are understood worse than before, by how many of their utterances. */
  worse: { intent: string; of: number; before: number; after: number }[];
  /** Of the last logged turns. */
  log: { compared: number; changed: number } | null;
  /** Expected calibration error, on what both judge and people know. */
  ece: number | null;
  /** Why it must not go on by itself, in words; none: it goes on. */
  reasons: string[];
  /** Whether somebody may let it go on in spite of them. */
  mayPass: boolean;
}

/** Of every training: the same content gives the same model. */
export const SEED = 1;
/** What ids look like. */
export const TRAINING_ID = /^t\d{1,16}$/;

/** Where a job may go from each state. */
const NEXT: Record<State, readonly State[]> = {
  queued: ['searching', 'training', 'failed', 'cancelled'],
  searching: ['training', 'failed', 'cancelled'],
  training: ['judged', 'waiting', 'kept', 'failed', 'cancelled'],
  judged: ['pushed', 'failed', 'cancelled'],
  waiting: ['judged', 'cancelled'],
  kept: [],
  pushed: ['released', 'failed'],
  released: [],
  failed: [],
  cancelled: [],
};
/** States in which a worker has something to do. */
const UNDER_WAY: readonly State[] = ['queued', 'searching', 'training', 'judged'];
/** States in which it may be told to stop. */
const STOPPABLE: readonly State[] = ['queued', 'searching', 'training', 'judged', 'waiting'];
/** Attempts at training, which takes minutes, and at pushing, which takes a registry that is there. */
const ATTEMPTS = { training: 3, judged: 8 };
const LOSSES = 400;

/** A job that was asked for at a time, for content that has changed so much. */
export function queued(
  given: Pick<TrainingJob, 'by' | 'why' | 'changes' | 'content'>,
  now: number,
  search: Pick<Search, 'trials' | 'seconds'> | null = null,
): TrainingJob {
  const { by, why } = given;
  return {
    ...given,
    search: search && { ...search, until: null, present: null, done: 0, expected: 0, found: null },
    id: `t${now}`,
    at: now,
    // The second it was asked for: readable, and greater than any before. Two jobs are never made within one (services/trainings.ts).
    version: new Date(now).toISOString().slice(0, 19).replace('T', '-').replaceAll(':', ''),
    state: 'queued',
    since: now,
    share: 0,
    losses: [],
    claim: null,
    attempts: 0,
    models: [],
    verdict: null,
    digest: null,
    reason: null,
    stop: null,
    steps: [{ state: 'queued', at: now, ...(by && { by: by.name }), note: why }],
    notified: null,
  };
}

export const underWay = ({ state }: TrainingJob): boolean => UNDER_WAY.includes(state);
export const stoppable = ({ state }: TrainingJob): boolean => STOPPABLE.includes(state);

/**
 * Takes a job to work on it; null where somebody else does, or nothing is to be done. One that ended three workers ends itself; a search is
 * nobody's: its trials are.
 */
export function claim(job: TrainingJob, by: string, now: number, ms: number): TrainingJob | null {
  if (!underWay(job) || job.state === 'searching' || (job.claim && job.claim.until > now && job.claim.by !== by))
    return null;
  // Whoever had it did not say what came of it: it died.
  const attempts = job.claim && job.claim.by !== by ? job.attempts + 1 : job.attempts;
  if (attempts >= ATTEMPTS.training)
    return fail(job, `its worker ended ${attempts} times without a word: is there enough memory?`, now);
  if (job.state === 'queued' && job.search) {
    const until = now + 1_000 * job.search.seconds;
    return move(job, 'searching', now, { search: { ...job.search, until } });
  }
  const next = job.state === 'queued' ? move(job, 'training', now) : job;
  return { ...next, attempts, claim: { by, until: now + ms } };
}

/** How far a search is. Null: nothing new. */
export function searched(
  job: TrainingJob,
  { done, expected, present }: Pick<Search, 'done' | 'expected' | 'present'>,
): TrainingJob | null {
  const { state, search } = job;
  if (state !== 'searching' || !search || (search.present && search.done >= done)) return null;
  return { ...job, search: { ...search, done, expected, present }, share: Math.min(1, done / Math.max(1, expected)) };
}

/** What was found is trained. */
export function found(job: TrainingJob, found: Search['found'], now: number): TrainingJob {
  const note = found && Object.keys(found.settings).length > 0 ? 'better' : 'as it is';
  return move(job, 'training', now, { search: { ...job.search!, found }, share: 0, note });
}

/** How far it is; the same worker goes on. Null: it has lost the job. */
export function progress(
  job: TrainingJob,
  by: string,
  share: number,
  losses: readonly Loss[],
  now: number,
  ms: number,
): TrainingJob | null {
  if (job.claim?.by !== by || !underWay(job)) return null;
  return { ...job, share, losses: losses.slice(-LOSSES), claim: { by, until: now + ms } };
}

/** Moves a job on. Throws when it may not go there: that is a mistake of the caller. */
export function move(
  job: TrainingJob,
  state: State,
  now: number,
  more: { note?: string; by?: string } & Partial<
    Pick<TrainingJob, 'models' | 'verdict' | 'digest' | 'reason' | 'share' | 'search'>
  > = {},
): TrainingJob {
  if (!NEXT[job.state].includes(state)) throw new Error(`a training job can't go from ${job.state} to ${state}`);
  const { note, by, ...fields } = more;
  const step: Step = { state, at: now, ...(by ? { by } : {}), ...(note ? { note } : {}) };
  return {
    ...job,
    reason: null,
    ...fields,
    state,
    since: now,
    attempts: 0,
    claim: null,
    stop: null,
    steps: [...job.steps, step],
  };
}

export function fail(job: TrainingJob, reason: string, now: number): TrainingJob {
  const short = reason.slice(0, 2_000);
  return move(job, 'failed', now, { reason: short, note: short.split('\n')[0]!.slice(0, 300) });
}

/** A step did not work because something else was away: it is tried again, or was the last time. */
export function stumble(job: TrainingJob, reason: string, now: number): TrainingJob {
  if (job.attempts + 1 >= (job.state === 'judged' ? ATTEMPTS.judged : ATTEMPTS.training)) return fail(job, reason, now);
  return { ...job, attempts: job.attempts + 1, claim: null, reason: reason.slice(0, 2_000) };
}

/** Somebody wants it to end: at once where nobody works on it, and else when its worker next looks. Null: it has ended. */
export function stop(job: TrainingJob, by: Agent, now: number): TrainingJob | null {
  if (!stoppable(job)) return null;
  if (job.claim && job.claim.until > now) return { ...job, stop: by };
  return move(job, 'cancelled', now, { by: by.name });
}

/** What a worker has to say of a job in the end: where somebody has ended it meanwhile, that it has ended. */
export function unlessStopped(job: TrainingJob, now: number, next: (job: TrainingJob) => TrainingJob): TrainingJob {
  return job.stop ? move(job, 'cancelled', now, { by: job.stop.name }) : next(job);
}

/** What was said of what was judged: whether it goes on by itself, waits for a person, or stays. */
export function judged(job: TrainingJob, models: TrainedModel[], verdict: Verdict, now: number): TrainingJob {
  const { reasons, mayPass } = verdict;
  const state = reasons.length === 0 ? 'judged' : mayPass ? 'waiting' : 'kept';
  return move(job, state, now, { models, verdict, share: 1, ...(reasons[0] && { note: reasons[0].slice(0, 300) }) });
}
