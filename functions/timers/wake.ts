import type { InvocationContext, Timer } from '@azure/functions';
import type { Conversation } from '../conversation/document.ts';
import type { ConversationId } from '../conversation/identifier.ts';
import { expire, unpassed, type Words } from '../conversation/speaker.ts';
import type { Expiry } from '../conversation/transitions.ts';
import * as conversation from '../conversation/transitions.ts';
import { passOn } from '../queues/pass-on.ts';
import { currentBot, keptOf } from '../services/bot.ts';
import { change, dueConversations, notify } from '../services/conversations.ts';
import { repeatErasures } from '../services/erasure.ts';
import { followContent } from '../services/live-content.ts';
import { log, startTelemetry } from '../services/telemetry.ts';

/** Documents of one query, and how long one sweep goes on querying: the next begins 15 s after it. */
const LIMIT = 200;
const BUDGET_MS = 10_000;

/**
 * Every 15 s: wakes documents whose `wakeAt` has passed, so that a lost wake-up or a crash costs seconds, and repeats the
 * erasures that are due.
 */
export async function wake(_timer: Timer, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  await followContent();
  const started = Date.now();
  let count = 0;
  for (;;) {
    const ids = await dueConversations(Date.now(), LIMIT);
    count += ids.length;
    for (let start = 0; start < ids.length; start += 10) await Promise.all(ids.slice(start, start + 10).map(wakeOne));
    if (ids.length < LIMIT || Date.now() - started > BUDGET_MS) break;
  }
  if (count > 0) log('info', 'woke conversations', { count });
  await repeatErasures(Date.now());
}

/** What is said where a person does not answer, or nobody writes any more. */
function expiryWords({ locale, speaker }: Conversation): (what: Expiry['what']) => Words {
  const name = speaker.kind === 'person' ? speaker.agent.name : '';
  const ticket = speaker.kind === 'waiting' ? speaker.ticket : '';
  return (what) => {
    const bot = currentBot();
    const phrase = what === 'waiting' ? 'desk_closed' : `desk_${what}`;
    return { replies: [bot.reply(locale, phrase, { name, ticket })], kept: keptOf(bot) };
  };
}

async function wakeOne(id: ConversationId): Promise<void> {
  try {
    const { wakeUps, left } = await change<{ wakeUps: conversation.WakeUp[]; left: Conversation | null }>(id, {
      transition: (document) => {
        const now = Date.now();
        const next =
          document &&
          (expire(document, currentBot().desk.isOpen(now), expiryWords(document), now) ??
            conversation.wake(document, now));
        const left = next && unpassed(next, now) ? next : null;
        return [next, { wakeUps: next ? conversation.wakeUps(next, now) : [], left }];
      },
    });
    await notify(id, wakeUps);
    if (left) await passOn(left);
  } catch (error) {
    log('error', 'a conversation was not woken; the next sweep tries again', {
      conversationId: id,
      error: String(error),
    });
  }
}
