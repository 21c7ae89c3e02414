import { setTimeout as sleep } from 'node:timers/promises';
import type { DequeuedMessageItem, QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { RegisteredFunction } from './functions-core.ts';
import { invoke } from './invocation.ts';

/** host.json, `extensions.queues`. Times in milliseconds. */
export interface QueueOptions {
  maxPollingInterval: number;
  visibilityTimeout: number;
  batchSize: number;
  newBatchThreshold: number;
  maxDequeueCount: number;
}

/** A message is leased for this long, renewed at half of it: a crashed host's messages come back only then. */
const LEASE_SECONDS = 600;
const FIRST_INTERVAL = 100;
const POISON = '-poison';
/** Poison queues are nearly always empty, and each look costs this machine's one core that the app runs on. */
const POISON_INTERVAL = 2_000;

/**
 * Stands for the Functions host's storage queue trigger: polls in randomised, growing steps; takes a batch and the next
 * one when the threshold is reached; leases and renews; deletes what worked; shows what failed again after the visibility
 * timeout; moves a message to `<queue>-poison` after its last dequeue; leaves one of a poison queue that failed unseen until
 * its lease ends, again and again until it expires. Leaves out scaling over instances.
 * Creates missing queues, as infra/ does in Azure.
 */
export class QueueTrigger {
  readonly #queue: QueueClient;
  /** None for a poison queue itself. */
  readonly #poison: QueueClient | null;
  readonly #registered: RegisteredFunction;
  readonly #options: QueueOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #finished: Promise<void> = Promise.resolve();
  #slot: (() => void) | undefined;

  constructor(service: QueueServiceClient, queueName: string, registered: RegisteredFunction, options: QueueOptions) {
    this.#queue = service.getQueueClient(queueName);
    this.#poison = queueName.endsWith(POISON) ? null : service.getQueueClient(`${queueName}${POISON}`);
    this.#registered = registered;
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#queue.createIfNotExists();
    this.#finished = this.#poll();
  }

  /** Takes no more messages and waits for those that run. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#slot?.();
    await this.#finished;
    await Promise.allSettled(this.#running);
  }

  async #poll(): Promise<void> {
    const { batchSize, newBatchThreshold, maxPollingInterval } = this.#options;
    let interval = FIRST_INTERVAL;
    while (!this.#stop.signal.aborted) {
      let received: DequeuedMessageItem[] = [];
      try {
        const answer = await this.#queue.receiveMessages({
          numberOfMessages: Math.min(batchSize, 32),
          visibilityTimeout: LEASE_SECONDS,
        });
        received = answer.receivedMessageItems;
      } catch (error) {
        console.log(
          JSON.stringify({
            level: 'warn',
            message: 'queue not read',
            queue: this.#queue.name,
            error: String(error).slice(0, 200),
          }),
        );
      }
      for (const message of received) this.#take(message);
      if (received.length > 0) {
        interval = FIRST_INTERVAL;
        while (this.#running.size > newBatchThreshold && !this.#stop.signal.aborted)
          await new Promise<void>((resolve) => {
            this.#slot = resolve;
          });
        continue;
      }
      const longest = this.#poison ? maxPollingInterval : POISON_INTERVAL;
      interval = Math.min(interval * (1 + Math.random() * 0.5), longest);
      await sleep(interval, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #take(message: DequeuedMessageItem): void {
    const work = this.#process(message).catch((error) => {
      console.log(
        JSON.stringify({
          level: 'error',
          message: 'queue message not settled',
          queue: this.#queue.name,
          error: String(error).slice(0, 300),
        }),
      );
    });
    this.#running.add(work);
    void work.finally(() => {
      this.#running.delete(work);
      this.#slot?.();
    });
  }

  async #process(message: DequeuedMessageItem): Promise<void> {
    const { maxDequeueCount, visibilityTimeout } = this.#options;
    const poison = this.#poison;
    if (poison && message.dequeueCount > maxDequeueCount) return await this.#toPoison(message, poison);
    let receipt = message.popReceipt;
    const renewal = setInterval(() => {
      this.#queue.updateMessage(message.messageId, receipt, message.messageText, LEASE_SECONDS).then(
        (renewed) => {
          receipt = renewed.popReceipt ?? receipt;
        },
        () => undefined,
      );
    }, LEASE_SECONDS * 500);
    try {
      await invoke(this.#registered, { input: payload(message.messageText), triggerMetadata: metadata(message) });
      await this.#queue.deleteMessage(message.messageId, receipt);
    } catch (error) {
      console.log(
        JSON.stringify({
          level: 'error',
          function: this.#registered.name,
          dequeueCount: message.dequeueCount,
          message: String(error).slice(0, 500),
        }),
      );
      if (!poison) return;
      if (message.dequeueCount >= maxDequeueCount) await this.#toPoison({ ...message, popReceipt: receipt }, poison);
      else
        await this.#queue.updateMessage(
          message.messageId,
          receipt,
          message.messageText,
          Math.ceil(visibilityTimeout / 1_000),
        );
    } finally {
      clearInterval(renewal);
    }
  }

  async #toPoison(message: DequeuedMessageItem, poison: QueueClient): Promise<void> {
    await poison.createIfNotExists();
    await poison.sendMessage(message.messageText);
    await this.#queue.deleteMessage(message.messageId, message.popReceipt);
  }
}

/** `messageEncoding: none`: text that is not JSON reaches the function as it is. */
function payload(text: string): object {
  try {
    JSON.parse(text);
    return { json: text };
  } catch {
    return { string: text };
  }
}

function metadata(message: DequeuedMessageItem): Record<string, object> {
  const values = {
    Id: message.messageId,
    DequeueCount: message.dequeueCount,
    InsertionTime: message.insertedOn,
    ExpirationTime: message.expiresOn,
    NextVisibleTime: message.nextVisibleOn,
    PopReceipt: message.popReceipt,
  };
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { json: JSON.stringify(value) }]));
}
