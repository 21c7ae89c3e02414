import type { FaqFound, RampShare, Understanding } from '../conversation/document.ts';
import type { ConversationId } from '../conversation/identifier.ts';
import { NONE } from '../dialog/bot.ts';
import type { Models } from '../dialog/meaning.ts';
import {
  type Counts,
  type Evidence,
  isActive,
  isChosen,
  isShadow,
  RAMP,
  type Ramp,
  STEPS,
  shareOf,
} from '../releases/ramp.ts';
import { outcomeOf } from '../statistics/rollup.ts';
import { type Ramped, rampedTurns } from './call-log.ts';
import { Documents } from './documents.ts';
import * as inference from './inference.ts';
import { settings } from './settings.ts';
import { log, logSeldom } from './telemetry.ts';

/** The one ramp there is, or was (container `ramps`, partition key = id). */
export const ramps = new Documents<Ramp>('ramps');

export async function readRamp(): Promise<Ramp | null> {
  return (await ramps.read(RAMP))?.document ?? null;
}

/** Why nothing may be staged while a ramp is under way: what is ramped answers customers from that slot. Null: none is. */
export async function rampRefusal(): Promise<string | null> {
  const ramp = await readRamp();
  if (!ramp || !isActive(ramp)) return null;
  return `a ramp is under way, at ${Math.round(100 * shareOf(ramp))}%: let it come to its end, or stop it (npm run ramp -- stop)`;
}

/** Why the slots must not be swapped; null also where a ramp has come to its swap. */
export async function swapRefusal(): Promise<string | null> {
  const ramp = await readRamp();
  return ramp?.state === 'swapping' ? null : await rampRefusal();
}

/** How long what is known of it is taken for it, and for how long where it can't be asked, in milliseconds. */
const [FRESH, KEPT] = [3_000, 30_000];
/** How long a turn waits for that, where what is known is old, in milliseconds. */
const LOOK_MS = 1_500;
/**
 * How long it is asked for, and, where it is not answered with, how much longer than what is live before it counts as too slow, in
 * milliseconds: customers wait for that, too.
 */
const [ASK_MS, SHADOW_MS] = [1_500, 500];
/** Turns that a step is judged by: the newest. */
const TURNS = 5_000;

let current: Ramp | null = null;
/** The address of the slot that was seen to serve it; null: not seen. */
let address: string | null = null;
/** When it was last looked, and when that was answered. */
let [looked, known] = [0, 0];
let looking: Promise<void> | undefined;

/**
 * Sees to it that a ramp is known, every few seconds; after a rest before anything is answered, for an instance must not go by what was a
 * while ago. Where that can't be asked, it is as before for a while, and then what is live answers.
 */
export async function followRamp(): Promise<void> {
  if (Date.now() - looked < FRESH) return;
  const isOld = Date.now() - looked > 2 * FRESH;
  looking ??= follow().finally(() => {
    looked = Date.now();
    looking = undefined;
  });
  if (!isOld) return;
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, LOOK_MS);
  await Promise.race([looking, late.promise]);
  clearTimeout(timer);
}

async function follow(): Promise<void> {
  try {
    const ramp = await readRamp();
    const active = ramp && isActive(ramp) ? ramp : null;
    if (active?.digest !== current?.digest) address = null;
    current = active;
    known = Date.now();
    if (active) address = (await addressOf(active)) ?? address;
  } catch (error) {
    if (Date.now() - known > KEPT) current = null;
    log('error', 'the ramp could not be looked up', { error: String(error) });
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
  const asked: RampShare = { digest: ramp.digest, step: ramp.step, answered: false };
  const share = () => asked;
  if (isShadow(ramp))
    return {
      intents: async (texts) => {
        const { own, other } = await both(
          asked,
          () => askIntents(ramp, texts, asked),
          () => live.intents(texts),
        );
        asked.heard = other[0]!.intent;
        if (own) asked.said = own[0]!.intent;
        return other;
      },
      faq: async (texts) =>
        (
          await both(
            asked,
            () => askFaq(ramp, texts, asked),
            () => live.faq(texts),
          )
        ).other,
      share,
    };
  if (!isChosen(ramp, conversationId))
    return { intents: (texts) => timed(asked, 'liveMs', () => live.intents(texts)), faq: live.faq, share };
  return {
    async intents(texts) {
      const answers = await askIntents(ramp, texts, asked);
      asked.answered = answers !== null;
      return answers ?? (await live.intents(texts));
    },
    faq: async (texts) => (await askFaq(ramp, texts, asked)) ?? (await live.faq(texts)),
    share,
  };
}

/** Both are asked, and what is live answers, which waits no longer for the other than is bearable. */
async function both<T, U>(asked: RampShare, ramp: () => Promise<T | null>, other: () => Promise<U>) {
  const shadow = ramp();
  const answers = await timed(asked, 'liveMs', other);
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, SHADOW_MS, undefined);
  const own = await Promise.race([shadow, late.promise]);
  clearTimeout(timer);
  // It was asked all the same, and took at least so long.
  if (own === undefined) Object.assign(asked, { failed: true, ms: (asked.liveMs ?? 0) + SHADOW_MS });
  return { own: own ?? null, other: answers };
}

/** The longest of what a turn has waited for, by whom. */
async function timed<T>(asked: RampShare, field: 'ms' | 'liveMs', work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  try {
    return await work();
  } finally {
    asked[field] = Math.max(asked[field] ?? 0, Math.round(performance.now() - started));
  }
}

async function askIntents(ramp: Ramp, texts: readonly string[], asked: RampShare): Promise<Understanding[] | null> {
  return await timed(asked, 'ms', () =>
    inOneOf(ramp, asked, (where) => inference.understand(texts, where).catch((error) => unanswered(error))),
  );
}

/** Null also where it has no model of the FAQ: then what is live is asked, as it is where it has not either. */
async function askFaq(ramp: Ramp, texts: readonly string[], asked: RampShare): Promise<FaqFound[] | null> {
  if (ramp.models[settings().FAQ_MODEL] === undefined) return null;
  return await timed(asked, 'ms', () => inOneOf(ramp, asked, (where) => inference.findInFaq(texts, where)));
}

function unanswered(error: unknown): null {
  logSeldom('warn', 'the release that is ramped does not answer; what is live does', { error: String(error) });
  return null;
}

/** What it says, wherever it is served; null, and noted: nothing in time, or something else is served there. */
async function inOneOf<T extends Understanding | FaqFound>(
  ramp: Ramp,
  asked: RampShare,
  ask: (where: { url: string; ms: number }) => Promise<T[] | null>,
): Promise<T[] | null> {
  const end = Date.now() + ASK_MS;
  // A swap of this moment may have taken it to the other slot.
  for (const url of [...new Set([...(address === null ? [] : [address]), ...places()])]) {
    const ms = end - Date.now();
    if (ms < 50) break;
    const answers = await ask({ url, ms });
    if (!answers?.[0] || !isOf(ramp, answers[0])) continue;
    address = url;
    return answers;
  }
  asked.failed = true;
  return null;
}

const isOf = ({ models }: Ramp, { model }: Understanding | FaqFound): boolean => models[model.name] === model.version;

/**
 * What was measured since a step began: of messages how it answered, and of conversations, which are each other's no copies, how they went.
 * Where it answers everybody, what is live is what was measured of it before.
 */
export async function evidenceOf(ramp: Ramp): Promise<Evidence> {
  const turns = await rampedTurns({ digest: ramp.digest, step: ramp.step, since: ramp.since }, TURNS);
  const shareIn = ({ understanding }: Ramped) => understanding!.ramp!;
  const isShadowed = ramp.step === 0;
  const chosen = turns.filter((turn) => shareIn(turn).ms !== undefined);
  const rest = isShadowed ? turns : turns.filter((turn) => shareIn(turn).ms === undefined);
  const answered = chosen.filter((turn) => !shareIn(turn).failed);
  const before = ramp.step === STEPS.length - 1 ? ramp.history.at(-2)?.evidence : undefined;
  const measured = {
    asked: chosen.length,
    failed: chosen.length - answered.length,
    p95: {
      ramp: p95(answered.map((turn) => shareIn(turn).ms!)),
      live: before?.p95.live ?? p95(rest.flatMap((turn) => shareIn(turn).liveMs ?? [])),
    },
  };
  if (!isShadowed) return { ...measured, differed: 0, ramp: countsOf(answered), live: before?.live ?? countsOf(rest) };
  const said = answered.filter((turn) => shareIn(turn).said !== undefined);
  const missed = (which: 'said' | 'heard'): Counts => ({
    conversations: said.length,
    missed: said.filter((turn) => shareIn(turn)[which] === NONE).length,
    handedOver: 0,
    down: 0,
  });
  const differed = said.filter((turn) => shareIn(turn).said !== shareIn(turn).heard).length;
  return { ...measured, differed, ramp: missed('said'), live: missed('heard') };
}

function countsOf(turns: readonly Ramped[]): Counts {
  const conversations = [...Map.groupBy(turns, ({ conversationId }) => conversationId).values()];
  const having = (what: (turn: Ramped) => boolean) => conversations.filter((own) => own.some(what)).length;
  return {
    conversations: conversations.length,
    missed: having((turn) => outcomeOf(turn) === 'not_understood'),
    handedOver: having(({ handover }) => handover !== undefined),
    down: having(({ feedback }) => feedback?.rating === 'down'),
  };
}

function p95(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] ?? 0;
}
