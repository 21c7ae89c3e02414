import type { FaqFound, RampShare, Understanding } from '../conversation/document.ts';
import type { ConversationId } from '../conversation/identifier.ts';
import { NONE } from '../dialog/bot.ts';
import type { Models } from '../dialog/meaning.ts';
import { type Evidence, isActive, isChosen, isShadow, RAMP, type Ramp, shareOf } from '../releases/ramp.ts';
import { outcomeOf } from '../statistics/rollup.ts';
import { rampedTurns } from './call-log.ts';
import { Documents } from './documents.ts';
import * as inference from './inference.ts';
import { settings } from './settings.ts';
import { log, logSeldom } from './telemetry.ts';

/** The one ramp there is, or was (container `releases`). */
export const ramps = new Documents<Ramp>('releases');

export async function readRamp(): Promise<Ramp | null> {
  return (await ramps.read(RAMP))?.document ?? null;
}

/** Why slots must not be swapped, nor anything be staged, while a ramp is under way; null: none is, or it has come to its swap. */
export async function rampRefusal(): Promise<string | null> {
  const ramp = await readRamp();
  if (!ramp || !isActive(ramp) || ramp.state === 'swapping') return null;
  return `a ramp is under way, at ${Math.round(100 * shareOf(ramp))}%: let it come to its end, or stop it (npm run ramp -- stop)`;
}

/** How long what is known of it is taken for it, in milliseconds. */
const FRESH = 3_000;
/**
 * How long it is asked for, and, where it is not answered with, how much longer than what is live before it counts as too slow, in
 * milliseconds: customers wait for that, too.
 */
const [ASK_MS, SHADOW_MS] = [1_500, 500];
/** Turns that a step is judged by: the newest. */
const TURNS = 5_000;

let current: Ramp | null = null;
/** The address of the slot that serves it; null: none does. */
let address: string | null = null;
let looked = 0;
let looking: Promise<void> | undefined;

/** Sees to it that a ramp is known, every few seconds. Where that can't be asked, what is live answers: nobody waits for it. */
export async function followRamp(): Promise<void> {
  if (Date.now() - looked < FRESH) return;
  looking ??= follow().finally(() => {
    looked = Date.now();
    looking = undefined;
  });
  // The first time before anything is answered: a conversation must not change its model because an instance is new.
  if (looked === 0) await looking;
}

async function follow(): Promise<void> {
  try {
    const ramp = await readRamp();
    const active = ramp && isActive(ramp) ? ramp : null;
    address = active && (await addressOf(active));
    current = active;
  } catch (error) {
    current = null;
    log('error', 'the ramp could not be looked up; what is live answers', { error: String(error) });
  }
}

/** Where it is served: a swap takes it from one slot to the other. */
async function addressOf({ release }: Ramp): Promise<string | null> {
  for (const url of places()) {
    const served = await inference.servedRelease(url).catch(() => null);
    if (served === release) return url;
  }
  return null;
}

const places = (): string[] => {
  const { STAGING_URL: staging, INFERENCE_URL: production } = settings();
  return staging ? [staging, production] : [production];
};

const live: Models = { intents: inference.understand, faq: inference.findInFaq };

/** Who is asked what a message of a conversation means, and what is to be kept of that. */
export interface Asked extends Models {
  /** Undefined: no ramp had a part in it. */
  share(): RampShare | undefined;
}

/** The models of a conversation: what is live, or, where it is chosen, the release that is ramped. */
export function modelsFor(conversationId: ConversationId): Asked {
  const ramp = current;
  if (!ramp) return { ...live, share: () => undefined };
  const asked: RampShare = { digest: ramp.digest, answered: false };
  const share = () => asked;
  if (isShadow(ramp)) return { ...live, intents: (texts) => inShadow(ramp, texts, asked), share };
  if (!isChosen(ramp, conversationId)) return { ...live, share };
  return {
    async intents(texts) {
      const answers = await askRamp(ramp, texts, asked);
      asked.answered = answers !== null;
      return answers ?? (await live.intents(texts));
    },
    async faq(texts) {
      const found = address === null ? null : await inference.findInFaq(texts, { url: address, ms: ASK_MS });
      return isOf(ramp, found?.[0]) ? found : await live.faq(texts);
    },
    share,
  };
}

/** What it says, and how long that took; null: not in time, or something else is served there. What is live answers then. */
async function askRamp(ramp: Ramp, texts: readonly string[], asked: RampShare): Promise<Understanding[] | null> {
  const started = performance.now();
  const answers = await inOneOf(ramp, texts);
  asked.ms = Math.round(performance.now() - started);
  if (answers === null) asked.failed = true;
  return answers;
}

async function inOneOf(ramp: Ramp, texts: readonly string[]): Promise<Understanding[] | null> {
  // A swap of this moment has taken it to the other slot.
  const known = address;
  for (const url of known === null ? [] : [known, ...places().filter((place) => place !== known)]) {
    try {
      const answers = await inference.understand(texts, { url, ms: ASK_MS });
      if (!isOf(ramp, answers[0])) continue;
      address = url;
      return answers;
    } catch (error) {
      logSeldom('warn', 'the release that is ramped does not answer; what is live does', { error: String(error) });
      return null;
    }
  }
  return null;
}

const isOf = ({ models }: Ramp, answer: Understanding | FaqFound | undefined): boolean =>
  answer !== undefined && models[answer.model.name] === answer.model.version;

/** Both are asked, and what is live answers, which hardly waits for the other. */
async function inShadow(ramp: Ramp, texts: readonly string[], asked: RampShare): Promise<Understanding[]> {
  const shadow = askRamp(ramp, texts, asked);
  const answers = await live.intents(texts);
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(late.resolve, SHADOW_MS, null);
  const found = await Promise.race([shadow, late.promise]);
  clearTimeout(timer);
  asked.heard = answers[0]!.intent;
  if (found) asked.said = found[0]!.intent;
  else asked.failed = true;
  return answers;
}

/** What was measured since a step began. */
export async function evidenceOf(ramp: Ramp): Promise<Evidence> {
  const turns = await rampedTurns(ramp.since, TURNS);
  const own = turns.filter(({ understanding }) => understanding!.ramp!.digest === ramp.digest);
  const shadow = ramp.step === 0;
  const chosen = own.filter(({ understanding }) => shadow || understanding!.ramp!.ms !== undefined);
  const rest = own.filter(({ understanding }) => shadow || understanding!.ramp!.ms === undefined);
  const failed = chosen.filter(({ understanding }) => understanding!.ramp!.failed);
  const answered = chosen.filter(({ understanding }) => !understanding!.ramp!.failed);
  const saidOf = ({ understanding }: (typeof turns)[number]) => understanding!.ramp!.said;
  const count = (all: typeof turns) => ({
    turns: all.length,
    missed: all.filter((turn) => outcomeOf(turn) === 'not_understood').length,
    handedOver: all.filter(({ handover }) => handover !== undefined).length,
    down: all.filter(({ feedback }) => feedback?.rating === 'down').length,
  });
  const liveMs = rest.flatMap(({ timings }) => timings.inference ?? []);
  return {
    asked: chosen.length,
    failed: failed.length,
    differed: shadow ? answered.filter((turn) => saidOf(turn) !== heard(turn.understanding!)).length : 0,
    p95: { ramp: p95(answered.map(({ understanding }) => understanding!.ramp!.ms ?? 0)), live: p95(liveMs) },
    ramp: shadow
      ? { ...count([]), turns: answered.length, missed: answered.filter((turn) => saidOf(turn) === NONE).length }
      : count(answered),
    live: shadow
      ? {
          ...count([]),
          turns: rest.length,
          missed: rest.filter(({ understanding }) => heard(understanding!) === NONE).length,
        }
      : count(rest),
  };
}

/** What the model of the intents made of the whole message, whatever an entry of the FAQ was likelier than. */
function heard({ intent, ramp }: Understanding): string {
  return ramp?.heard ?? intent;
}

function p95(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] ?? 0;
}
