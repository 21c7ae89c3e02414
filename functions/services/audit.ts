import { randomUUID } from 'node:crypto';
import type { Agent } from '../conversation/document.ts';
import { Documents } from './documents.ts';

/** What the staff does that somebody may ask about later. */
export const ACTIONS = [
  'conversation.view',
  'turns.export',
  'review.decide',
  'review.undo',
  'content.edit',
  'content.discard',
  'content.publish',
  'content.revert',
  'incident.acknowledge',
  'incident.repeat',
  'release.swap',
  'release.rollback',
  'ramp.begin',
  'ramp.continue',
  'ramp.stop',
  'training.view',
  'training.begin',
  'training.cancel',
  'training.release',
  'user.export',
  'user.erase',
] as const;
export type Action = (typeof ACTIONS)[number];

/** Who did what, when (container `audit`, partition key = id). Of what users wrote only what became content, without personal details. */
export interface AuditEntry {
  id: string;
  at: number;
  by: Agent;
  action: Action;
  /** To what: the id of a conversation, a user, an incident, a release; null: to nothing of its own. */
  of: string | null;
  /** As it was and as it became, where something was changed. */
  before?: unknown;
  after?: unknown;
  /** `begun`: it was asked for, and what came of it was never recorded (or it goes on). */
  state: 'begun' | 'done' | 'refused';
  /** Why it was refused, or how far it is. */
  note?: string;
}

const documents = new Documents<AuditEntry>('audit');

/** How often one person's looks at one thing are worth an entry, in milliseconds. */
const LOOK_MS = 15 * 60_000;

/**
 * Does something, and has it in the audit log: the entry is written before anything is changed, and what came of it afterwards. So nothing is
 * changed without an entry, and an end that nobody recorded can be seen. `work` says what the change was.
 */
export async function audited<T>(
  by: Agent,
  action: Action,
  of: string | null,
  work: () => Promise<{ result: T; before?: unknown; after?: unknown }>,
): Promise<T> {
  const entry = await beginAudit(by, action, of);
  try {
    const { result, before, after } = await work();
    await endAudit(entry.id, {
      state: 'done',
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    });
    return result;
  } catch (error) {
    // What can't be recorded now is seen as begun: the error is what counts.
    await endAudit(entry.id, { state: 'refused', note: (error as Error).message.slice(0, 500) }).catch(() => undefined);
    throw error;
  }
}

export async function beginAudit(by: Agent, action: Action, of: string | null): Promise<AuditEntry> {
  const entry: AuditEntry = {
    id: randomUUID(),
    at: Date.now(),
    by: { id: by.id, name: by.name },
    action,
    of,
    state: 'begun',
  };
  await documents.create(entry);
  return entry;
}

export async function endAudit(
  id: string,
  end: Partial<Pick<AuditEntry, 'state' | 'note' | 'before' | 'after'>>,
): Promise<void> {
  await documents.change(id, { transition: (entry) => [entry && { ...entry, ...end }, undefined] });
}

/** That somebody looked at something: once for a while. */
export async function auditLook({ id, name }: Agent, action: Action, of: string): Promise<void> {
  const now = Date.now();
  const key = `look.${id.replaceAll(/[^\w-]/g, '_')}.${of}.${Math.floor(now / LOOK_MS)}`;
  await documents.change(key, {
    transition: (known) => [
      known ? null : { id: key, at: now, by: { id, name }, action, of, state: 'done' },
      undefined,
    ],
  });
}

export async function readAudit(id: string): Promise<AuditEntry | null> {
  return (await documents.read(id))?.document ?? null;
}

/** The last entry of some actions since a time; null: there is none. */
export async function lastAudit(actions: readonly Action[], since: number): Promise<AuditEntry | null> {
  const named = actions.map((action) => `'${action}'`).join(', ');
  const query = `SELECT TOP 1 * FROM c WHERE c.at > @since AND c.action IN (${named}) ORDER BY c.at DESC`;
  return (await documents.query(query, [{ name: '@since', value: since }], { limit: 1 }))[0] ?? null;
}

/** Entries before a time, the newest first. */
export async function listAudit(before: number, limit: number): Promise<AuditEntry[]> {
  const query = `SELECT TOP ${limit} * FROM c WHERE c.at < @before ORDER BY c.at DESC`;
  return await documents.query(query, [{ name: '@before', value: before }], { limit });
}
