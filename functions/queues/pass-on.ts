import type { Callback, Conversation } from '../conversation/document.ts';
import { passedOn, unpassed, type Words } from '../conversation/speaker.ts';
import { wakeUps } from '../conversation/transitions.ts';
import { currentBot, keptOf } from '../services/bot.ts';
import { change, notify } from '../services/conversations.ts';
import { desk } from '../services/desk.ts';
import { tellHub } from '../services/hub.ts';
import { settings } from '../services/settings.ts';
import { log } from '../services/telemetry.ts';

/**
 * Tells another desk of a message that was left while it was away. It may run twice, and late: the desk does the same thing once for the
 * same key, and the document says whether it is done.
 */
export async function passOn(document: Conversation): Promise<void> {
  const callback = unpassed(document, Date.now());
  if (!callback) return;
  const told = await tell(document, callback);
  const next = await change<Conversation | null>(document.id, {
    transition: (current) => {
      const made = current && passedOn(current, callback, told, words(current, told?.ticket ?? ''), Date.now());
      return [made, made];
    },
  });
  if (next) await notify(next.id, wakeUps(next, Date.now()));
}

async function tell(
  { id, locale, recent }: Conversation,
  { ticket, reason, passOn }: Callback,
): Promise<{ ticket: string; waits: boolean } | null> {
  const { text, customerId } = passOn!;
  const key = `${id}/${ticket}`;
  try {
    if (settings().DESK !== 'webhook')
      return { ticket: await desk.openTicket({ customerId, conversationId: id, text, reason }, key), waits: false };
    const history = recent.map((turn) => ({ customer: turn.text, replies: turn.replies.map((reply) => reply.text) }));
    await tellHub(
      { type: 'handoff.initiate', conversationId: id, ticket, reason, text, locale, customerId, history },
      key,
    );
    return { ticket, waits: true };
  } catch (error) {
    log('warn', 'another desk was not told yet of a message that was left', {
      conversationId: id,
      error: String(error),
    });
    return null;
  }
}

function words({ locale }: Conversation, ticket: string): Words {
  const bot = currentBot();
  return { replies: [bot.reply(locale, 'person_passed_on', { ticket })], kept: keptOf(bot) };
}
