import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpRequest } from '@azure/functions';
import { z } from 'zod';
import type { Attachment } from '../conversation/document.ts';
import { conversationId, turnId, userId } from '../conversation/identifier.ts';
import { readable } from '../services/blobs.ts';
import { log, logSeldom, traceparent } from '../services/telemetry.ts';
import { accept, fingerprint } from './accept.ts';
import { limitRefused } from './limits.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';
import { text as textSchema, user as userSchema } from './schemas.ts';

const TYPING_MS = 1_000;

const id = z.string().min(1).max(512);

/** Who wrote, or to whom; whatever else a channel says of them is not needed, and not kept. */
const account = z.object({
  // As whoever erases or exports must be able to write it.
  id: userSchema.shape.userId,
  name: z.string().max(512).nullish(),
  aadObjectId: z.string().max(128).nullish(),
  role: z.string().max(64).nullish(),
});

/** The fields of a Bot Framework activity that the bot reads; a channel may send any others. */
const activity = z
  .looseObject({
    type: z.string().min(1).max(64),
    id: id.optional(),
    channelId: z.string().regex(/^[\w.-]{1,64}$/),
    serviceUrl: z.url({ protocol: /^https?$/ }).max(1_024),
    from: account.optional(),
    recipient: account.optional(),
    conversation: z
      .object({
        id,
        name: z.string().max(512).nullish(),
        isGroup: z.boolean().nullish(),
        conversationType: z.string().max(64).nullish(),
        tenantId: z.string().max(128).nullish(),
      })
      .optional(),
    text: z.string().nullish(),
    locale: z.string().max(35).nullish(),
    attachments: z
      .array(
        z.looseObject({
          contentType: z.string().max(200),
          contentUrl: z.string().max(2_048).optional(),
          name: z.string().max(300).optional(),
        }),
      )
      .max(5)
      .nullish(),
  })
  .meta({ id: 'Activity', description: 'An activity of the Bot Framework; other fields are ignored.' });
type Activity = z.infer<typeof activity>;

const accepted = z.object({ status: z.enum(['accepted', 'waiting', 'answered']).optional() });

/** POST /api/messages: an activity of a Bot Framework channel. Answered with 202 before anything is understood. */
export const postActivity = route(
  'messages',
  {
    summary: 'An activity of a Bot Framework channel',
    access: 'channel',
    body: activity,
    answers: { 202: { description: 'Accepted, or nothing to answer.', schema: accepted } },
    problems: ['unauthorized', 'too_many_requests', 'idempotency_conflict', 'inbox_full', 'unavailable'],
  },
  async (request: HttpRequest) => {
    const { authenticate, vouches } = await import('../services/channel.ts');
    // Before a byte of the body is read.
    const caller = await orUnauthorized(request, () => authenticate(request.headers.get('authorization') ?? ''));
    const received = await readJson(request, activity);
    if (!vouches(caller, received)) throw await unauthorized(request, 'not for this channel or service');
    const message = messageOf(received);
    if (!message) {
      // A word of the protocol, or nothing: the channel's user may have written it.
      const type = /^[a-zA-Z]{1,30}$/.test(received.type) ? received.type : 'other';
      logSeldom('info', 'an activity was ignored', { type, channel: received.channelId });
      return json(202, {});
    }
    const { from, conversation, turn } = message;
    const reference = referenceOf(received);
    const space = { channel: received.channelId };
    const kind = await accept(
      conversationId(space, conversation.id),
      turn,
      { id: userId(space, from.id), space: received.channelId, givenId: from.id, customerId: null },
      { kind: 'activity', reference },
    );
    if (kind === 'accepted') await typing({ ...reference, activityId: received.id, user: from });
    return json(202, { status: kind });
  },
);

async function orUnauthorized<T>(request: HttpRequest, work: () => Promise<T>): Promise<T> {
  const { Unauthorized } = await import('../services/channel.ts');
  try {
    return await work();
  } catch (error) {
    throw error instanceof Unauthorized ? await unauthorized(request, error.message) : error;
  }
}

async function unauthorized(request: HttpRequest, reason: string): Promise<Problem> {
  logSeldom('warn', 'a channel token was refused', { reason });
  await limitRefused(request);
  return new Problem('unauthorized', undefined, { headers: { 'www-authenticate': 'Bearer' } });
}

/** A message with something to understand; null for every other activity. */
function messageOf(received: Activity) {
  const { id: activityId, from, conversation } = received;
  if (received.type !== 'message' || !activityId || !from || !conversation) return null;
  const attachments = attachmentsOf(received);
  const text = received.text?.trim() ?? '';
  if (text === '' && attachments.length === 0) return null;
  if (text !== '') check(text);
  const turn = {
    id: turnId(activityId),
    givenId: activityId,
    sender: from,
    text,
    attachments,
    locale: received.locale ?? undefined,
    fingerprint: fingerprint([from.id, text, attachments]),
    traceparent: traceparent(),
    acceptedAt: Date.now(),
    attempts: 0,
    retryAt: 0,
  };
  return { from, conversation, turn };
}

function check(text: string): void {
  const parsed = textSchema.safeParse(text);
  if (parsed.success) return;
  const issue = parsed.error.issues[0]!;
  if (issue.code === 'too_big') throw new Problem('message_too_large', `text: ${issue.message}.`);
  throw new Problem('invalid_message', `text: ${issue.message}.`, {
    errors: [{ field: 'text', reason: issue.message }],
  });
}

/** Attachments; the address of one that must not be read is dropped here, so that nothing later can be led there. */
function attachmentsOf(received: Activity): Attachment[] {
  const kept: Attachment[] = [];
  for (const { contentType, contentUrl, name } of received.attachments ?? []) {
    // Channels repeat a message's own text as an attachment (text/html, text/plain).
    if (!contentUrl || contentType.startsWith('text/')) continue;
    const url = readable(contentUrl, received.serviceUrl) ? contentUrl : '';
    if (!url)
      logSeldom('warn', 'an attachment was refused: its origin is not the channel', { channel: received.channelId });
    const type = /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(contentType) ? contentType : 'application/octet-stream';
    kept.push({ contentType: type, url, name: name ?? 'attachment' });
  }
  return kept;
}

/** What a reply needs (Bot Framework's conversation reference), but for the activity and its user, which are each turn's own. */
function referenceOf({ recipient, conversation, channelId, serviceUrl, locale }: Activity): Record<string, unknown> {
  return { bot: recipient, conversation, channelId, serviceUrl, ...(locale ? { locale } : {}) };
}

/** Best effort: a turn is not lost for want of a typing indicator. */
async function typing(reference: Record<string, unknown>): Promise<void> {
  const { sendTyping } = await import('../services/channel.ts');
  // The channel waits for the 202; it must not wait for its own connector.
  const outcome = await Promise.race([sendTyping(reference), sleep(TYPING_MS, null, { ref: false })]);
  if (outcome && !outcome.ok) log('info', 'no typing indicator', { reason: outcome.reason });
}
