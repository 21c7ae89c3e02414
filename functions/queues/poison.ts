import { createHash } from 'node:crypto';
import type { InvocationContext } from '@azure/functions';
import type { Conversation, Turn } from '../conversation/document.ts';
import * as conversation from '../conversation/transitions.ts';
import { endAudit } from '../services/audit.ts';
import { change, notify } from '../services/conversations.ts';
import { recordIncident } from '../services/incidents.ts';
import { followContent } from '../services/live-content.ts';
import { releaseMessage, trainingMessage, wakeUpMessage } from '../services/queues.ts';
import { log, startTelemetry } from '../services/telemetry.ts';
import { failed } from './failed.ts';

/**
 * Queues `*-poison`: what failed five times before its worker could record why. Records it for the operator. If it names
 * a conversation, that is woken again, and the turn that waits for this queue counts one more failure (the last of which
 * is the apology): the fault may have been the database's and not the turn's.
 */
export function poisonWorker(queue: string) {
  return async (body: unknown, context: InvocationContext): Promise<void> => {
    await startTelemetry();
    await followContent();
    const message = wakeUpMessage.safeParse(body);
    const release = releaseMessage.safeParse(body);
    const training = trainingMessage.safeParse(body);
    const reason = message.success
      ? `a wake-up in ${queue} failed five times`
      : release.success
        ? release.data.swap
          ? `a swap of ${release.data.digest} could not be made, five times: see what production runs, and ask for it once more`
          : `the release ${release.data.digest} could not be moved on, five times; the timer tries again`
        : training.success
          ? `the training ${training.data.training} could not be moved on, five times; the timer tries again`
          : `not a wake-up call: ${message.error.issues[0]?.path.join('.') || 'message'} (${message.error.issues[0]?.code})`;
    log('error', 'poison message', { queue, reason, messageId: context.triggerMetadata?.id });
    await recordIncident({
      id: `poison.${createHash('sha256').update(`${queue}/${context.triggerMetadata?.id}`).digest('base64url')}`,
      kind: 'poison_message',
      conversationId: message.success ? message.data.conversationId : null,
      turnId: null,
      userId: null,
      ...(release.success &&
        !release.data.swap && { release: { digest: release.data.digest, repository: release.data.repository } }),
      reason,
      acceptedAt: Date.now(),
      at: Date.now(),
    });
    if (release.success && release.data.swap)
      await endAudit(release.data.swap.entry, { state: 'refused', note: reason });
    if (!message.success) return;
    const { conversationId } = message.data;
    const wakeUps = await change<conversation.WakeUp[]>(conversationId, {
      transition: (document) => {
        const now = Date.now();
        const turn = document?.inbox[0];
        if (!document) return [null, []];
        const next = turn && blamed(document, queue, now) ? charge(document, turn, reason, now) : null;
        return [next, conversation.wakeUps(next ?? document, now)];
      },
    });
    await notify(conversationId, wakeUps);
  };
}

/** Whether the head of the inbox is what this queue's messages were for, and nobody works on it. */
function blamed({ active, inbox }: Conversation, queue: string, now: number): boolean {
  if (queue !== (active ? `skill-${active.skill}` : 'turns') || (inbox[0]?.retryAt ?? 0) > now) return false;
  return !active?.claim || active.claim.until <= now;
}

function charge(document: Conversation, turn: Turn, reason: string, now: number): Conversation | null {
  const { active } = document;
  const failure = failed(document, turn, active?.understanding ?? null, new Error(reason));
  return conversation.fail(document, turn.id, active?.claim?.by ?? null, failure, now);
}
