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
  const rows = await documents.query<{ id: ConversationId }>(query, [{ name: '@now', value: now }], { limit });
  return rows.map(({ id }) => id);
}

/** What the desk's list shows of a conversation. */
export type Listed = Pick<Conversation, 'id' | 'speaker' | 'callback' | 'locale' | 'channel' | 'updatedAt'>;

/** Conversations that wait for a person or have one, the longest first, and behind them those in which a message was left. */
export async function deskConversations(limit: number): Promise<Listed[]> {
  const fields = 'c.id, c.speaker, c.callback, c.locale, c.channel, c.updatedAt';
  const of = (condition: string, time: string) =>
    documents.query<Listed>(
      `SELECT TOP ${limit} ${fields} FROM c WHERE ${condition} AND ${time} > 0 ORDER BY ${time}`,
      [],
      { limit },
    );
  // Each by itself: however many wait, nobody loses sight of those that they have.
  const lists = await Promise.all([
    of("c.speaker.kind = 'person'", 'c.speaker.since'),
    of("c.speaker.kind = 'waiting'", 'c.speaker.since'),
    of("c.speaker.kind = 'bot'", 'c.callback.since'),
  ]);
  return lists.flat();
}

/**
 * How many customers wait for a person and have waited longer. Null where it can't be said now: somebody's place in the queue is worth
 * no failed turn.
 */
export async function waitingBefore(since: number): Promise<number | null> {
  const query =
    "SELECT VALUE COUNT(1) FROM c WHERE c.speaker.kind = 'waiting' AND c.speaker.since > 0 AND c.speaker.since < @since";
  try {
    const [count] = await documents.query<number>(query, [{ name: '@since', value: since }]);
    return count ?? 0;
  } catch (error) {
    log('warn', 'the place in the queue is not known', { error: String(error) });
    return null;
  }
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
