import type { InvocationContext } from '@azure/functions';
import { followContent } from '../services/live-content.ts';
import { type WakeUpMessage, wakeUpMessage } from '../services/queues.ts';
import { hop, log, startTelemetry } from '../services/telemetry.ts';

/**
 * Wraps a queue worker: checks the message, and runs the worker as a hop of the turn's trace. A message that is not a
 * wake-up call fails here, so after its dequeues it reaches the poison queue and harms nobody else.
 */
export function onWakeUp(name: string, worker: (message: WakeUpMessage) => Promise<void>) {
  return async (body: unknown, context: InvocationContext): Promise<void> => {
    await startTelemetry();
    await followContent();
    const message = wakeUpMessage.parse(body);
    const waited = message.sentAt ? Date.now() - message.sentAt : 0;
    const attributes = {
      conversationId: message.conversationId,
      queuedMs: waited,
      dequeueCount: Number(context.triggerMetadata?.dequeueCount ?? 1),
    };
    await hop(name, message.traceparent, attributes, async () => await worker(message));
    if (attributes.dequeueCount > 1) log('info', 'worked after a redelivery', { worker: name, ...attributes });
  };
}
