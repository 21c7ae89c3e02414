import type { Channel } from '../conversation/document.ts';
import * as conversation from '../conversation/transitions.ts';
import { change, notify } from '../services/conversations.ts';
import { ensureUser, TooLarge } from '../services/cosmos.ts';
import { hop } from '../services/telemetry.ts';
import { Problem } from './problem.ts';

/**
 * Accepts a turn into its conversation and wakes the worker. A turn that is known changes nothing.
 * Throws the problems `idempotency_conflict`, `inbox_full`, `unavailable`, and `not_found` for another user's conversation.
 */
export async function accept(
  id: string,
  turn: conversation.Incoming,
  channel: Channel,
): Promise<'accepted' | 'waiting' | 'answered'> {
  return await hop('accept', '', { conversationId: id, turnId: turn.id }, async () => {
    const { kind, wakeUps } = await write(id, turn, channel);
    switch (kind) {
      case 'conflict':
        throw new Problem('idempotency_conflict');
      case 'full':
        throw new Problem('inbox_full');
      case 'busy':
        throw new Problem('unavailable', 'The call log is behind.');
      default:
        await notify(id, wakeUps);
        return kind;
    }
  });
}

interface Outcome {
  kind: conversation.Accepted['kind'];
  wakeUps: conversation.WakeUp[];
}

async function write(id: string, turn: conversation.Incoming, channel: Channel): Promise<Outcome> {
  try {
    return await change<Outcome>(id, async (current) => {
      const now = Date.now();
      // Conversation ids are the client's own and may be guessed: another user's must look like none.
      if (current && channel.kind === 'api' && current.userId !== turn.userId)
        throw new Problem('not_found', 'This conversation belongs to another user.');
      const document = current ?? conversation.open(id, turn.userId, channel, turn.locale ?? 'en', now);
      if (!current) await ensureUser({ id: turn.userId, locale: document.locale, createdAt: now });
      const accepted = conversation.accept(document, turn, channel, now);
      if (accepted.kind !== 'accepted') return [null, { kind: accepted.kind, wakeUps: [] }];
      return [accepted.document, { kind: accepted.kind, wakeUps: conversation.wakeUps(accepted.document, now) }];
    });
  } catch (error) {
    if (error instanceof TooLarge)
      throw new Problem('inbox_full', 'The turns that wait in this conversation fill its document.');
    throw error;
  }
}
