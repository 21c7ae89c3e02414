import type { Active, AnsweredTurn, Conversation, Dialog } from './document.ts';

/**
 * The version of the conversation document. While a new build replaces an old one, both work on the same documents: what a build
 * adds, an older one leaves alone, and what an older one wrote is brought up to this version when it is read. A document of a newer
 * version keeps that: nothing is taken away from it.
 */
export const VERSION = 3;

/** Version 2: nobody but the bot spoke. */
interface Second extends Omit<Conversation, 'speaker' | 'callback' | 'said' | 'recent'> {
  said?: number;
  recent: (Omit<AnsweredTurn, 'ordinal'> & { ordinal?: number })[];
  speaker?: Conversation['speaker'];
  callback?: Conversation['callback'];
}

/** Version 1, which has none written: a dialog had a scenario of one of the skills that are flows now. */
interface First extends Omit<Second, 'version' | 'dialog' | 'others'> {
  version?: undefined;
  dialog: FirstDialog;
  others?: Record<string, FirstDialog>;
}

type FirstDialog = Pick<Dialog, 'misses' | 'handover'> &
  Partial<Pick<Dialog, 'flow' | 'paused'>> & { scenario?: unknown };

/** What was answered has its number; what an older build answered meanwhile gets one behind those that are known. */
function numbered({ said = 0, recent }: Pick<Second, 'said' | 'recent'>): Pick<Conversation, 'said' | 'recent'> {
  let last = said;
  const all = recent.map((turn) =>
    turn.ordinal === undefined ? { ...turn, ordinal: ++last } : (turn as AnsweredTurn),
  );
  return { said: last, recent: all };
}

const BOT = { kind: 'bot' } as const;

/** Skills of version 1 whose turns are flows' now: one that was routed to them begins its flow. */
const FLOWS = new Set(['orders', 'products']);

/** A document as this build knows it, whichever wrote it. */
export function upcast(given: Conversation | Second | First): Conversation {
  const stored = { ...given, ...numbered(given), speaker: given.speaker ?? BOT, callback: given.callback ?? null };
  const version = Math.max(stored.version ?? 0, VERSION);
  if (stored.version !== undefined && !lacks(stored.dialog)) return { ...stored, version } as Conversation;
  const { others, ...rest } = stored;
  return {
    ...rest,
    version,
    active: stored.active && routed(stored.active),
    dialog: dialog(stored.dialog),
    ...(others && {
      others: Object.fromEntries(Object.entries(others).map(([user, own]) => [user, dialog(own)])),
    }),
  };
}

/** A scenario's state says too little of what was shown: it is not gone on with, and a later yes answers nothing. */
function dialog({ scenario: _, ...stored }: FirstDialog): Dialog {
  return { ...stored, flow: stored.flow ?? null, paused: stored.paused ?? [] };
}

/** An older build may have written a dialog into a newer document. */
function lacks({ flow, paused }: FirstDialog): boolean {
  return flow === undefined || paused === undefined;
}

function routed(active: Active): Active {
  return FLOWS.has(active.skill) ? { ...active, skill: 'flow' } : active;
}
