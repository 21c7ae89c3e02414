import type { Conversation } from '../conversation/document.ts';
import type { ConversationId } from '../conversation/identifier.ts';
import type { WakeUp } from '../conversation/transitions.ts';
import { upcast } from '../conversation/version.ts';
import { Documents, type Step } from './documents.ts';
import { sendWakeUps } from './queues.ts';
import { log } from './telemetry.ts';

const documents = new Documents<Conversation>('conversations', upcast);

export async function readConversation(id: ConversationId): Promise<Conversation | null> {
  return (await documents.read(id))?.document ?? null;
}

/** One step of a conversation, as {@link Documents.change}; whoever waits for its next change in this process is told. */
export async function change<T, P = undefined>(id: ConversationId, step: Step<Conversation, P, T>): Promise<T> {
  return await documents.change(id, step, {
    written: (next) => {
      for (const listener of listeners.get(id) ?? []) listener(next);
    },
  });
}

/** Ids of documents whose `wakeAt` has passed, at most `limit`. */
export async function dueConversations(now: number, limit: number): Promise<ConversationId[]> {
  // `> 0` also leaves out null, which must not be compared with a number.
  const query = `SELECT TOP ${limit} c.id FROM c WHERE c.wakeAt > 0 AND c.wakeAt <= @now ORDER BY c.wakeAt`;
  const rows = await documents.query<{ id: ConversationId }>(query, [{ name: '@now', value: now }], limit);
  return rows.map(({ id }) => id);
}

const listeners = new Map<string, Set<(document: Conversation) => void>>();

/**
 * The document after its next change by this process, or null after `ms`. Another instance may be the one that makes the
 * change, so whoever waits reads the document too; where it is this one, the wait costs no reads.
 */
export async function nextChange(id: ConversationId, ms: number): Promise<Conversation | null> {
  const own = listeners.get(id) ?? new Set();
  listeners.set(id, own);
  const changed = Promise.withResolvers<Conversation | null>();
  const timer = setTimeout(() => changed.resolve(null), ms);
  own.add(changed.resolve);
  try {
    return await changed.promise;
  } finally {
    clearTimeout(timer);
    own.delete(changed.resolve);
    if (own.size === 0) listeners.delete(id);
  }
}

/** Sends wake-ups after the document is written. What can't be sent now, the sweep sends: that costs seconds, nothing else. */
export async function notify(conversationId: ConversationId, wakeUps: WakeUp[]): Promise<void> {
  if (wakeUps.length === 0) return;
  try {
    await sendWakeUps(conversationId, wakeUps);
  } catch (error) {
    log('warn', 'wake-up not sent; the sweep will', { conversationId, error: String(error) });
  }
}
