import { randomUUID } from 'node:crypto';
import type { AnsweredTurn, Conversation } from '../conversation/document.ts';
import { policy } from '../conversation/policy.ts';
import * as conversation from '../conversation/transitions.ts';
import type { SendOutcome } from '../services/channel.ts';
import { change, notify } from '../services/conversations.ts';
import { pushReplies } from '../services/push.ts';
import { log } from '../services/telemetry.ts';
import { onWakeUp } from './wake-up.ts';

/**
 * Queue `replies`: sends the outbox to its channel, in order. Delivery is at least once: a crash between sending and
 * recording repeats a reply.
 */
export const deliver = onWakeUp('deliver', async ({ conversationId }) => {
  const by = randomUUID();
  const claimed = await change<Conversation | null>(conversationId, {
    transition: (document) => {
      const next = document && conversation.claimDelivery(document, by, Date.now());
      return [next, next];
    },
  });
  if (!claimed) return;
  // The claim that ran out was the last: that reply is given up.
  if (claimed.delivering?.by !== by) return await notify(conversationId, conversation.wakeUps(claimed, Date.now()));
  const results = await sendAll(claimed);
  const wakeUps = await change<conversation.WakeUp[]>(conversationId, {
    transition: (document) => {
      const next = document && conversation.delivered(document, by, results, Date.now());
      return [next, next ? conversation.wakeUps(next, Date.now()) : []];
    },
  });
  await notify(conversationId, wakeUps);
});

type Send = (
  turn: AnsweredTurn,
  progress: { first: number; attempts: number },
  expired: () => boolean,
) => Promise<SendOutcome>;

async function toChannel(reference: Record<string, unknown>): Promise<Send> {
  const { send } = await import('../services/channel.ts');
  return (turn, progress, expired) => send(reference, turn, progress, expired);
}

/** A client of the HTTP API that asked for it. */
function toClient(conversationId: string): Send {
  return (turn) => pushReplies(conversationId, turn);
}

async function sendAll(document: Conversation): Promise<conversation.Sent[]> {
  const { channel } = document;
  const send = channel.kind === 'activity' ? await toChannel(channel.reference) : toClient(channel.push ?? '');
  const results: conversation.Sent[] = [];
  const started = Date.now();
  const expired = () => Date.now() - started > policy.deliveryDeadline;
  for (const { turnId, sent, attempts } of document.outbox) {
    const turn = document.recent.find((answered) => answered.id === turnId);
    if (expired()) break;
    const outcome: SendOutcome = turn ? await send(turn, { first: sent, attempts }, expired) : { ok: true };
    results.push({ turnId, ms: Date.now() - started, ...outcome });
    if (outcome.ok) continue;
    const { reason, final } = outcome;
    log('warn', 'a reply was not delivered', { conversationId: document.id, turnId, reason, final });
    break;
  }
  return results;
}
