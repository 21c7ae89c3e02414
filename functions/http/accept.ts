import { createHash } from 'node:crypto';
import type { Channel, Speaker } from '../conversation/document.ts';
import type { ConversationId, CustomerId } from '../conversation/identifier.ts';
import { mask } from '../conversation/mask.ts';
import * as conversation from '../conversation/transitions.ts';
import { currentBot } from '../services/bot.ts';
import { change, notify } from '../services/conversations.ts';
import { TooLarge } from '../services/documents.ts';
import { settings } from '../services/settings.ts';
import { hop } from '../services/telemetry.ts';
import { type Seen, seen } from '../services/users.ts';
import { limitUser } from './limits.ts';
import { Problem } from './problem.ts';

/**
 * What tells whether the same was sent again. It stays beside what is kept of the turn, so it is made of what is kept: of the text
 * as it was written, whoever reads the log could find by trying what was masked in it.
 */
export function fingerprint(sent: unknown): string {
  const text = JSON.stringify(sent);
  const kept = settings().MASK_PERSONAL_DETAILS ? mask(text, currentBot().personalDetails) : text;
  return createHash('sha256').update(kept).digest('base64url');
}

/** A turn as it came, before it is known who its user is to the shop. `locale`: the language tag that the client named. */
type Unsigned = Omit<conversation.Incoming, 'customerId' | 'userId' | 'localeAfter'> & { locale: string | undefined };

/**
 * Accepts a turn into its conversation and wakes the worker. A turn that is known changes nothing.
 * Throws the problems `idempotency_conflict`, `inbox_full`, `too_many_requests`, `unavailable`, and `not_found` for another
 * user's conversation.
 */
export async function accept(
  id: ConversationId,
  unsigned: Unsigned,
  user: Omit<Seen, 'locale'>,
  channel: Channel,
): Promise<Accepted> {
  return await hop('accept', '', { conversationId: id, turnId: unsigned.id }, async () => {
    await limitUser(user.id);
    const { kind, wakeUps, speaker } = await write(id, unsigned, user, channel);
    switch (kind) {
      case 'foreign':
        throw new Problem('not_found', 'This conversation belongs to another user.');
      case 'conflict':
        throw new Problem('idempotency_conflict');
      case 'full':
        throw new Problem('inbox_full');
      case 'busy':
        throw new Problem('unavailable', 'The call log is behind.');
      default:
        await notify(id, wakeUps);
        return { kind, speaker };
    }
  });
}

/** `speaker`: who will answer it, as it looks now. */
interface Accepted {
  kind: 'accepted' | 'waiting' | 'answered';
  speaker: Speaker['kind'];
}

interface Outcome {
  speaker: Speaker['kind'];
  kind: conversation.Accepted['kind'] | 'foreign';
  wakeUps: conversation.WakeUp[];
}

async function write(
  id: ConversationId,
  unsigned: Unsigned,
  user: Omit<Seen, 'locale'>,
  channel: Channel,
): Promise<Outcome> {
  const { languages } = currentBot();
  const { locale: tag, ...sent } = unsigned;
  const named = languages.named(tag);
  const locale = named ?? languages.first;
  const localeAfter = (spoken: string) => languages.of(unsigned.text, named ?? spoken);
  // Conversation ids are the client's own and may be guessed: another user's must look like none.
  const foreign = (document: { userId: string } | null) =>
    document !== null && channel.kind === 'api' && document.userId !== user.id;
  try {
    return await change<Outcome, CustomerId | null>(id, {
      prepare: async (current) =>
        foreign(current) ? null : await seen({ ...user, locale }, Date.now(), current === null),
      transition: (current, customerId) => {
        const speaker = current?.speaker.kind ?? 'bot';
        if (foreign(current)) return [null, { kind: 'foreign', wakeUps: [], speaker }];
        const now = Date.now();
        const document = current ?? conversation.open(id, user.id, channel, locale, now);
        const accepted = conversation.accept(
          document,
          { ...sent, localeAfter, userId: user.id, customerId },
          channel,
          now,
        );
        if (accepted.kind !== 'accepted') return [null, { kind: accepted.kind, wakeUps: [], speaker }];
        const wakeUps = conversation.wakeUps(accepted.document, now);
        return [accepted.document, { kind: accepted.kind, wakeUps, speaker }];
      },
    });
  } catch (error) {
    if (error instanceof TooLarge)
      throw new Problem('inbox_full', 'The turns that wait in this conversation fill its document.');
    throw error;
  }
}
