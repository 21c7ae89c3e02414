import type { Agent } from '../conversation/document.ts';
import type { ConversationId, TurnId, UserId } from '../conversation/identifier.ts';
import { Conflict, Documents } from './documents.ts';

/** What an operator must look at (container `incidents`, partition key = id). No text of a user's. */
export interface Incident {
  id: string;
  kind: 'turn_failed' | 'delivery_failed' | 'poison_message';
  conversationId: ConversationId | null;
  turnId: TurnId | null;
  /** Whose turn it was. */
  userId: UserId | null;
  /** The release that a message was for. */
  release?: { digest: string; repository: string };
  reason: string;
  /** When the turn came; of what is no turn's, when it was found. */
  acceptedAt: number;
  at: number;
  /** Somebody has seen to it. */
  acknowledged?: Done;
  /** What it stopped was tried once more: it is recorded anew if that fails, too. */
  repeated?: Done;
}

interface Done {
  by: Agent;
  at: number;
}

const documents = new Documents<Incident>('incidents');

/** Records an incident once: repeated, it changes nothing, and takes nobody's word away that it is seen to. */
export async function recordIncident(incident: Incident): Promise<void> {
  try {
    await documents.create(incident);
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    // Of the same turn once more, after somebody had it tried again: it is open again.
    await documents.change(incident.id, {
      transition: (known) => [known?.repeated ? { ...incident, at: Date.now() } : null, undefined],
    });
  }
}

/** The newest incidents first. */
export async function listIncidents(limit: number): Promise<Incident[]> {
  return await documents.query(`SELECT TOP ${limit} * FROM c ORDER BY c.at DESC`, [], { limit });
}

/** Incidents before a time, the newest first; `isOpen`: those alone that nobody has seen to. */
export async function incidentsBefore(
  before: number,
  { kind, isOpen }: { kind?: Incident['kind'] | undefined; isOpen: boolean },
  limit: number,
): Promise<Incident[]> {
  const conditions = [...(kind ? ['c.kind = @kind'] : []), ...(isOpen ? ['NOT IS_DEFINED(c.acknowledged)'] : [])];
  const query = `SELECT TOP ${limit} * FROM c WHERE c.at < @before${conditions.map((one) => ` AND ${one}`).join('')} ORDER BY c.at DESC`;
  const parameters = [{ name: '@before', value: before }, ...(kind ? [{ name: '@kind', value: kind }] : [])];
  return await documents.query(query, parameters, { limit });
}

/** How many nobody has seen to, since a time; no more than so many are counted. */
export async function openIncidents(since: number, limit: number): Promise<number> {
  const query = `SELECT TOP ${limit} c.id FROM c WHERE c.at > @since AND NOT IS_DEFINED(c.acknowledged) ORDER BY c.at DESC`;
  return (await documents.query(query, [{ name: '@since', value: since }], { limit })).length;
}

export async function readIncident(id: string): Promise<Incident | null> {
  return (await documents.read(id))?.document ?? null;
}

/** Nothing was tried again after all. */
export async function unmarkRepeated(id: string): Promise<void> {
  await documents.change(id, {
    transition: (incident) => {
      if (!incident) return [null, undefined];
      const { repeated: _, ...rest } = incident;
      return [rest, undefined];
    },
  });
}

/** That somebody has seen to it, or has had it tried again; done before, it stays as it was. Null: there is none. */
export async function markIncident(
  id: string,
  what: 'acknowledged' | 'repeated',
  done: Done,
): Promise<Incident | null> {
  return await documents.change<Incident | null>(id, {
    transition: (incident) => {
      if (!incident) return [null, null];
      const next = { ...incident, [what]: done };
      return what === 'acknowledged' && incident.acknowledged ? [null, incident] : [next, next];
    },
  });
}
