import type { ConversationId, TurnId, UserId } from '../conversation/identifier.ts';
import { Documents } from './documents.ts';

/** What an operator must look at (container `incidents`, partition key = id). No text of a user's. */
export interface Incident {
  id: string;
  kind: 'turn_failed' | 'delivery_failed' | 'poison_message';
  conversationId: ConversationId | null;
  turnId: TurnId | null;
  /** Whose turn it was. */
  userId: UserId | null;
  reason: string;
  /** When the turn came; of what is no turn's, when it was found. */
  acceptedAt: number;
  at: number;
}

const documents = new Documents<Incident>('incidents');

/** Records an incident once. */
export async function recordIncident(incident: Incident): Promise<void> {
  await documents.put(incident);
}

/** The newest incidents first. */
export async function listIncidents(limit: number): Promise<Incident[]> {
  return await documents.query(`SELECT TOP ${limit} * FROM c ORDER BY c.at DESC`, [], limit);
}
