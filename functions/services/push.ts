import type { AnsweredTurn } from '../conversation/document.ts';
import type { SendOutcome } from './channel.ts';
import { Rejected, Unavailable } from './failure.ts';
import { call } from './http.ts';
import { settings } from './settings.ts';
import { signed } from './signature.ts';

/**
 * Sends what was said in a conversation of the HTTP API to the client's webhook (REPLIES_URL), signed as Standard Webhooks has it. One
 * attempt: the outbox repeats it, with the same `webhook-id`. `conversationId`: as the client knows it.
 */
export async function pushReplies(conversationId: string, turn: AnsweredTurn): Promise<SendOutcome> {
  const { REPLIES_URL: url, REPLIES_KEY: key } = settings();
  if (!url || !key) return { ok: false, sent: 0, reason: 'REPLIES_URL is not set any more', final: true, after: 0 };
  const { id, givenId, by, replies, ordinal, answeredAt } = turn;
  const body = {
    type: 'replies',
    conversationId,
    turnId: by ? null : givenId,
    cursor: String(ordinal),
    by: by ? 'person' : 'bot',
    ...(by && { name: by.name }),
    replies,
    at: answeredAt,
  };
  try {
    await call('client', url, { method: 'POST', body, headers: signed(key, id, body), timeout: 8_000, attempts: 1 });
    return { ok: true };
  } catch (error) {
    const final = error instanceof Rejected;
    const after = error instanceof Unavailable ? error.retryAfter : 0;
    return { ok: false, sent: 0, reason: error instanceof Error ? error.message : String(error), final, after };
  }
}
