import { setTimeout as sleep } from 'node:timers/promises';
import type { Conversation } from '../conversation/document.ts';
import type { WakeUp } from '../conversation/transitions.ts';
import { Conflict, createConversation, readConversation, replaceConversation } from './cosmos.ts';
import { Unavailable } from './failure.ts';
import { sendWakeUps } from './queues.ts';
import { log } from './telemetry.ts';

/** Races that one step may lose before it gives up: more than ever wait in one conversation's queue. */
const RACES = 40;

/**
 * One step of a conversation: read → a transition → guarded write; from the read again when another step was faster.
 * `transition` returns the new document (null: nothing to write) and a result. Returns the result of the attempt that counted.
 */
export async function change<T>(
  id: string,
  transition: (document: Conversation | null) => Promise<[Conversation | null, T]> | [Conversation | null, T],
): Promise<T> {
  for (let race = 0; race < RACES; race += 1) {
    const current = await readConversation(id);
    const [next, result] = await transition(current?.document ?? null);
    if (!next) return result;
    try {
      if (current) await replaceConversation(next, current.etag);
      else await createConversation(next);
      for (const listener of listeners.get(id) ?? []) listener(next);
      return result;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      await sleep(Math.random() * Math.min(4 * 2 ** race, 200));
    }
  }
  throw new Unavailable('cosmos', `another step was faster ${RACES} times in conversation ${id}`);
}

const listeners = new Map<string, Set<(document: Conversation) => void>>();

/**
 * The document after its next change by this process, or null after `ms`. Another instance may be the one that makes the
 * change, so whoever waits reads the document too; where it is this one, the wait costs no reads.
 */
export async function nextChange(id: string, ms: number): Promise<Conversation | null> {
  const own = listeners.get(id) ?? new Set();
  listeners.set(id, own);
  const change = Promise.withResolvers<Conversation | null>();
  const timer = setTimeout(() => change.resolve(null), ms);
  own.add(change.resolve);
  try {
    return await change.promise;
  } finally {
    clearTimeout(timer);
    own.delete(change.resolve);
    if (own.size === 0) listeners.delete(id);
  }
}

/** Sends wake-ups after the document is written. What can't be sent now, the sweep sends: that costs seconds, nothing else. */
export async function notify(conversationId: string, wakeUps: WakeUp[]): Promise<void> {
  if (wakeUps.length === 0) return;
  try {
    await sendWakeUps(conversationId, wakeUps);
  } catch (error) {
    log('warn', 'wake-up not sent; the sweep will', { conversationId, error: String(error) });
  }
}
