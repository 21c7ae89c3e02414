import { createHash } from 'node:crypto';

/**
 * A ramp: a release in the staging slot answers a growing share of conversations before it goes live (container `releases`, the one document
 * `ramp`), guarded by its ETag. The functions here are pure: time is passed in.
 */
export interface Ramp {
  id: typeof RAMP;
  digest: string;
  repository: string;
  /** What a slot that runs it says it serves. */
  release: string;
  /** The versions of its models, by name: an answer of another is not its. */
  models: Record<string, string>;
  /** The step that it is at, of {@link STEPS}. */
  step: number;
  state: RampState;
  /** When this step began. */
  since: number;
  /** What was measured in this step, when it was last looked at. */
  evidence: Evidence | null;
  /** Why it waits, or was stopped, in words. */
  reasons: string[];
  /** Looks in a row at which nothing could be measured. */
  blind: number;
  /** The entry of the audit log of the swap that ends it. */
  swap: string | null;
  history: { share: number; at: number; by?: string; note?: string; evidence?: Evidence }[];
}

type RampState =
  | 'running'
  /** A person has to say whether it goes on; the share stays. */
  | 'waiting'
  /** It answers everybody, and the slots are to be swapped. */
  | 'swapping'
  /** It answers nobody any more. */
  | 'stopped'
  /** It is live. */
  | 'done';

export const RAMP = 'ramp';

/** Shares of the conversations that it answers. In the first it is asked, and not answered with. */
export const STEPS = [0, 0.05, 0.25, 0.5, 1] as const;

/** What was measured of it and of what is live, in the same time. */
export interface Evidence {
  /** Messages that it was asked: what it says to a part of them, or in their place, is what it is judged by. */
  asked: number;
  /** Asked without an answer in time; what is live has answered them. */
  failed: number;
  /** In shadow: of what both have answered, what was understood otherwise. */
  differed: number;
  /** Milliseconds. */
  p95: { ramp: number; live: number };
  ramp: Counts;
  live: Counts;
}

/** Of conversations: messages of one are no witnesses of each other. In shadow of messages, which nobody has answered. */
export interface Counts {
  conversations: number;
  missed: number;
  handedOver: number;
  down: number;
}

export interface RampRule {
  /** Messages that a step needs before it is decided. */
  least: number;
  /** The least share of messages that must be understood as by what is live. */
  agreement: number;
  /** How long a step may stay open before a person is asked, in milliseconds. */
  patience: number;
}

/** What a look at a step has found: it goes on, back to nobody, or nowhere yet. */
export type Finding = { kind: 'pass' } | { kind: 'breach'; reasons: string[] } | { kind: 'open'; reasons: string[] };

/** Enough to see that something is broken. */
const EARLY = 10;
/** Failures that are more than a blip. */
const [FAILURES, FAILED_SHARE] = [3, 0.02];
/** Slower than this and than thrice what is live is too slow, in milliseconds. */
const SLOW_MS = 250;
/**
 * Standard deviations of a difference that is no chance, and of one that may be none: looked at every ten seconds, and at three figures, what
 * happens once in a thousand times by chance happens often. And the conversations on each side that it takes.
 */
const [SURE, LIKELY, LEAST] = [3.7, 2.6, 50];
/** Looks without a measure after which a person is asked. */
const BLIND = 12;

/** What speaks against it, of what was measured in a step. */
export function look(evidence: Evidence, { least, agreement }: RampRule): Finding {
  const { asked, failed, differed, p95, ramp, live } = evidence;
  const breaches: string[] = [];
  const doubts: string[] = [];
  if (failed >= FAILURES && failed / asked > FAILED_SHARE)
    breaches.push(`of ${asked} messages it did not answer ${failed} in time`);
  const answered = asked - failed;
  if (answered >= EARLY) {
    if (p95.ramp > SLOW_MS && p95.ramp > 3 * p95.live)
      breaches.push(
        `its answers take ${Math.round(p95.ramp)} ms (p95), those of what is live ${Math.round(p95.live)} ms`,
      );
    if (differed / answered > 1 - agreement)
      breaches.push(`of ${answered} messages ${differed} are understood otherwise than by what is live`);
  }
  for (const [what, name] of [
    ['down', 'got a thumb down'],
    ['handedOver', 'were handed over'],
    ['missed', 'were not understood'],
  ] as const) {
    const z = difference(ramp[what], ramp.conversations, live[what], live.conversations);
    const words = `${share(ramp[what], ramp.conversations)} of what it was asked ${name}, and ${share(live[what], live.conversations)} of the others`;
    if (ramp[what] >= FAILURES && z > SURE) breaches.push(words);
    else if (ramp[what] >= FAILURES && z > LIKELY) doubts.push(words);
  }
  if (breaches.length > 0) return { kind: 'breach', reasons: breaches };
  if (asked < least) return { kind: 'open', reasons: [`${asked} of ${least} messages`] };
  return doubts.length > 0 ? { kind: 'open', reasons: doubts } : { kind: 'pass' };
}

/** How many standard deviations one share is above another, by the pooled one; 0 where one has too little. */
function difference(a: number, ofA: number, b: number, ofB: number): number {
  if (ofA < LEAST || ofB < LEAST) return 0;
  const pooled = (a + b) / (ofA + ofB);
  const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / ofA + 1 / ofB));
  return deviation === 0 ? 0 : (a / ofA - b / ofB) / deviation;
}

const share = (count: number, of: number): string => `${((100 * count) / Math.max(1, of)).toFixed(1)}%`;

/** A ramp of a release, at its first step. */
export function begin(
  of: Pick<Ramp, 'digest' | 'repository' | 'release' | 'models'>,
  by: string | null,
  now: number,
): Ramp {
  return {
    id: RAMP,
    ...of,
    step: 0,
    state: 'running',
    since: now,
    evidence: null,
    reasons: [],
    blind: 0,
    swap: null,
    history: [{ share: STEPS[0], at: now, ...(by !== null && { by }) }],
  };
}

/** Whether it answers anybody, or is asked; nothing else may be staged or swapped meanwhile. */
export const isActive = ({ state }: Ramp): boolean =>
  state === 'running' || state === 'waiting' || state === 'swapping';

/** The share of conversations that it answers. */
export const shareOf = (ramp: Ramp): number => (isActive(ramp) ? STEPS[ramp.step]! : 0);
export const isShadow = (ramp: Ramp): boolean => isActive(ramp) && ramp.step === 0;

/** Whether a conversation is answered by it: by a hash, so that one stays with it while the share grows. */
export function isChosen(ramp: Ramp, conversationId: string): boolean {
  const digest = createHash('sha256').update(`${ramp.digest} ${conversationId}`).digest();
  return digest.readUInt32BE(0) / 2 ** 32 < shareOf(ramp);
}

/** What becomes of it after a look at its step. */
export function decide(ramp: Ramp, evidence: Evidence, rule: RampRule, now: number): Ramp {
  const found = look(evidence, rule);
  const seen = { ...ramp, evidence, blind: 0 };
  if (found.kind === 'breach') return stopped(seen, found.reasons, now);
  if (ramp.state !== 'running') return seen;
  if (found.kind === 'pass') return next(seen, now);
  if (now - ramp.since < rule.patience) return { ...seen, reasons: found.reasons };
  return { ...seen, state: 'waiting', reasons: found.reasons };
}

/** Nothing could be measured: after a while a person is asked, for nobody sees whether it is well. */
export function unseen(ramp: Ramp): Ramp {
  const blind = ramp.blind + 1;
  if (ramp.state !== 'running' || blind < BLIND) return { ...ramp, blind };
  return { ...ramp, blind, state: 'waiting', reasons: ['what it does could not be measured for two minutes'] };
}

/** One step further; behind the last the slots are to be swapped. */
export function next(ramp: Ramp, now: number, by?: string): Ramp {
  const evidence = ramp.evidence ?? undefined;
  const history = ramp.history.with(-1, { ...ramp.history.at(-1)!, ...(evidence && { evidence }) });
  if (ramp.step === STEPS.length - 1)
    return { ...ramp, state: 'swapping', swap: null, reasons: [], since: now, history };
  const step = ramp.step + 1;
  return {
    ...ramp,
    step,
    state: 'running',
    since: now,
    evidence: null,
    reasons: [],
    history: [...history, { share: STEPS[step]!, at: now, ...(by !== undefined && { by }) }],
  };
}

/** Back to nobody. */
export function stopped(ramp: Ramp, reasons: string[], now: number, by?: string): Ramp {
  const evidence = ramp.evidence ?? undefined;
  const note = reasons[0]?.slice(0, 300);
  const last = {
    share: 0,
    at: now,
    ...(by !== undefined && { by }),
    ...(note && { note }),
    ...(evidence && { evidence }),
  };
  return { ...ramp, state: 'stopped', since: now, reasons, history: [...ramp.history, last] };
}

/** It is live. */
export function done(ramp: Ramp, now: number): Ramp {
  return { ...ramp, state: 'done', since: now, reasons: [] };
}
