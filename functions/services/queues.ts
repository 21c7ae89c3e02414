import { QueueServiceClient } from '@azure/storage-queue';
import { z } from 'zod';
import { type ConversationId, storedConversationId } from '../conversation/identifier.ts';
import type { WakeUp } from '../conversation/transitions.ts';
import { TRAINING_ID } from '../training/job/job.ts';
import { TRIAL_ID } from '../training/job/trial.ts';
import { unavailable } from './failure.ts';
import { credential } from './identity.ts';
import { settings } from './settings.ts';
import { traceparent } from './telemetry.ts';

/**
 * A wake-up call: which conversation to look at, and the trace of the turn that caused it. It carries nothing that
 * would be missed: what is to be done stands in the document. Its version is 1 where none is written; what a newer build adds is left
 * alone, so that both may send to the other's workers.
 */
export const wakeUpMessage = z.object({
  version: z.int().min(1).default(1),
  conversationId: z.string().transform((text, context) => {
    const id = storedConversationId(text);
    if (id === null) context.addIssue({ code: 'custom', message: 'not the id of a conversation' });
    return id ?? z.NEVER;
  }),
  traceparent: z.string().max(100).default(''),
  sentAt: z.number().default(0),
});
export type WakeUpMessage = z.infer<typeof wakeUpMessage>;

let service: QueueServiceClient | undefined;

function queues(): QueueServiceClient {
  if (service) return service;
  const { STORAGE_CONNECTION: connection, STORAGE_CONNECTION__queueServiceUri: uri } = settings();
  const options = {
    retryOptions: { maxTries: 4, tryTimeoutInMs: 5_000, retryDelayInMs: 200, maxRetryDelayInMs: 2_000 },
  };
  service = connection
    ? QueueServiceClient.fromConnectionString(connection, options)
    : new QueueServiceClient(uri!, credential(), options);
  return service;
}

/** A wake-up for a release: the state stands in its document. */
export const releaseMessage = z.object({
  version: z.int().min(1).default(1),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  repository: z.string().max(255),
  /** When it was pushed, where the registry said so. */
  at: z.number().default(0),
  /** Somebody has asked in the console for it to go live, or to be rolled back: by the entry of the audit log. */
  swap: z.object({ kind: z.enum(['in', 'back']), entry: z.uuid() }).optional(),
});

/** A wake-up for a training job, or for one trial of its search: the state stands in their documents. */
export const trainingMessage = z.object({
  version: z.int().min(1).default(1),
  training: z.string().regex(TRAINING_ID),
  trial: z.string().regex(TRIAL_ID).optional(),
});

/** Wakes the worker of a training job after some milliseconds. Throws {@link Unavailable}. */
export async function sendTraining(training: string, delay = 0): Promise<void> {
  const message: z.input<typeof trainingMessage> = { training };
  await send('training', JSON.stringify(message), delay);
}

/** Wakes somebody who makes a trial. Throws {@link Unavailable}. */
export async function sendTrial(training: string, trial: string): Promise<void> {
  const message: z.input<typeof trainingMessage> = { training, trial };
  await send('training', JSON.stringify(message), 0);
}

/** Wakes the worker of a release after some milliseconds. Throws {@link Unavailable}. */
export async function sendRelease(message: z.input<typeof releaseMessage>, delay = 0): Promise<void> {
  await send('releases', JSON.stringify(message), delay);
}

/**
 * Sends the wake-ups of a conversation. Throws {@link Unavailable}; a caller whose document is written may go on,
 * because the sweep sends them again.
 */
export async function sendWakeUps(conversationId: ConversationId, wakeUps: WakeUp[]): Promise<void> {
  const message: z.input<typeof wakeUpMessage> = { conversationId, traceparent: traceparent(), sentAt: Date.now() };
  const text = JSON.stringify(message);
  await Promise.all(wakeUps.map(({ queue, delay }) => send(queue, text, delay)));
}

async function send(queue: string, text: string, delay: number): Promise<void> {
  try {
    await queues()
      .getQueueClient(queue)
      .sendMessage(text, { visibilityTimeout: Math.ceil(delay / 1_000), abortSignal: AbortSignal.timeout(10_000) });
  } catch (error) {
    throw unavailable('queues', error);
  }
}
