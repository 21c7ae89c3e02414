import type { InvocationContext, Timer } from '@azure/functions';
import * as conversation from '../conversation/transitions.ts';
import { change, notify } from '../services/conversations.ts';
import { dueConversations } from '../services/cosmos.ts';
import { log, startTelemetry } from '../services/telemetry.ts';

/** Documents looked at in one sweep; the next sweep takes more. */
const LIMIT = 200;

/** Every 15 s: wakes documents whose `wakeAt` has passed, so that a lost wake-up or a crash costs seconds. */
export async function wake(_timer: Timer, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  const ids = await dueConversations(Date.now(), LIMIT);
  if (ids.length > 0) log('info', 'waking conversations', { count: ids.length });
  for (let start = 0; start < ids.length; start += 10) await Promise.all(ids.slice(start, start + 10).map(wakeOne));
}

async function wakeOne(id: string): Promise<void> {
  try {
    const wakeUps = await change(id, (document) => {
      const now = Date.now();
      const next = document && conversation.wake(document, now);
      return [next, next ? conversation.wakeUps(next, now) : []];
    });
    await notify(id, wakeUps);
  } catch (error) {
    log('error', 'a conversation was not woken; the next sweep tries again', {
      conversationId: id,
      error: String(error),
    });
  }
}
