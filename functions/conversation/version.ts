import type { Active, Conversation, Dialog } from './document.ts';

/**
 * The version of the conversation document. While a new build replaces an old one, both work on the same documents: what a build
 * adds, an older one leaves alone, and what an older one wrote is brought up to this version when it is read. A document of a newer
 * version keeps that: nothing is taken away from it.
 */
export const VERSION = 2;

/** Version 1, which has none written: a dialog had a scenario of one of the skills that are flows now. */
interface First extends Omit<Conversation, 'version' | 'dialog' | 'others'> {
  version?: undefined;
  dialog: FirstDialog;
  others?: Record<string, FirstDialog>;
}

type FirstDialog = Pick<Dialog, 'misses' | 'handover'> &
  Partial<Pick<Dialog, 'flow' | 'paused'>> & { scenario?: unknown };

/** Skills of version 1 whose turns are flows' now: one that was routed to them begins its flow. */
const FLOWS = new Set(['orders', 'products']);

/** A document as this build knows it, whichever wrote it. */
export function upcast(stored: Conversation | First): Conversation {
  if (stored.version !== undefined && !lacks(stored.dialog)) return stored;
  const { others, ...rest } = stored;
  return {
    ...rest,
    version: stored.version ?? VERSION,
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
