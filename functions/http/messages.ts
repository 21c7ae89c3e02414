import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpRequest } from '@azure/functions';
import { z } from 'zod';
import type { Attachment, Turn } from '../conversation/document.ts';
import { type ConversationId, conversationId, turnId, userId } from '../conversation/identifier.ts';
import { readable } from '../services/blobs.ts';
import { readConversation } from '../services/conversations.ts';
import { noteTyping } from '../services/notes.ts';
import { log, logSeldom, traceparent } from '../services/telemetry.ts';
import { accept, fingerprint } from './accept.ts';
import { limitRefused } from './limits.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';
import { TEXT_LIMIT, user as userSchema } from './schemas.ts';

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
    id: id.nullish(),
    channelId: z.string().regex(/^[\w.-]{1,64}$/),
    serviceUrl: z.url({ protocol: /^https?$/ }).max(1_024),
    from: account.nullish(),
    recipient: account.nullish(),
    conversation: z
      .object({
        id,
        name: z.string().max(512).nullish(),
        isGroup: z.boolean().nullish(),
        conversationType: z.string().max(64).nullish(),
        tenantId: z.string().max(128).nullish(),
      })
      .nullish(),
    text: z.string().nullish(),
    /** Of an event. */
    name: z.string().max(200).nullish(),
    locale: z.string().max(35).nullish(),
    attachments: z
      .array(
        z.looseObject({
          contentType: z.string().max(200),
          contentUrl: z.string().max(2_048).nullish(),
          name: z.string().max(300).nullish(),
        }),
      )
      .max(100)
      .nullish(),
    entities: z
      .array(
        z.looseObject({
          type: z.string().max(100).nullish(),
          text: z.string().max(600).nullish(),
          mentioned: z.looseObject({ id: z.string().max(512).nullish() }).nullish(),
        }),
      )
      .max(100)
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
    if (received.type === 'event' && received.name === 'handoff.status' && received.conversation) {
      const { handoffStatus } = await import('./hub.ts');
      await handoffStatus(conversationId({ channel: received.channelId }, received.conversation.id), received.value);
      return json(202, {});
    }
    if (received.type === 'typing' && received.conversation) {
      await typed(conversationId({ channel: received.channelId }, received.conversation.id));
      return json(202, {});
    }
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
    const { kind, speaker } = await accept(
      conversationId(space, conversation.id),
      turn,
      { id: userId(space, from.id), space: received.channelId, givenId: from.id, customerId: null },
      { kind: 'activity', reference },
    );
    // A person shows by themselves that they write.
    if (kind === 'accepted' && speaker !== 'person')
      await typing({ ...reference, activityId: received.id, user: from });
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
  const sent = attachmentsOf(received);
  const attachments = sent.slice(0, PICTURES);
  const written = textOf(received);
  if (written === '' && sent.length === 0) return null;
  // What can't be taken is said in the conversation: a channel shows nobody why it was refused.
  const refused: Turn['refused'] =
    written.length > TEXT_LIMIT ? 'text_too_long' : sent.length > PICTURES ? 'too_many_pictures' : undefined;
  const text = refused === 'text_too_long' ? '' : written;
  const turn = {
    id: turnId(activityId),
    givenId: activityId,
    sender: from,
    text,
    attachments,
    ...(refused ? { refused } : {}),
    locale: received.locale ?? undefined,
    fingerprint: fingerprint([from.id, written, attachments]),
    traceparent: traceparent(),
    acceptedAt: Date.now(),
    attempts: 0,
    retryAt: 0,
  };
  return { from, conversation, turn };
}

/** Pictures of one message. */
const PICTURES = 5;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;
const MENTION = /<at[^<>]{0,200}>([^<>]{0,200})<\/at>/gi;

/** What somebody wrote: without what names the bot, and with the others' names as they are read. */
function textOf({ text, entities, recipient }: Activity): string {
  let written = (text ?? '').toWellFormed().replace(CONTROL, '');
  for (const { type, text: mention, mentioned } of entities ?? [])
    if (type === 'mention' && mention && mentioned?.id && mentioned.id === recipient?.id)
      written = written.replaceAll(mention, ' ');
  return written.replace(MENTION, '$1').trim();
}

/** Attachments; the address of one that must not be read is dropped here, so that nothing later can be led there. */
function attachmentsOf(received: Activity): Attachment[] {
  const kept: Attachment[] = [];
  for (const { contentType, contentUrl, name } of received.attachments ?? []) {
    // Channels repeat a message's own text as an attachment (text/html, text/plain).
    if (!contentUrl || contentType.startsWith('text/')) continue;
    const from = readable(contentUrl, received.serviceUrl);
    if (!from)
      logSeldom('warn', 'an attachment was refused: its origin is not the channel', { channel: received.channelId });
    const type = /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(contentType) ? contentType : 'application/octet-stream';
    const url = from ? contentUrl : '';
    kept.push({
      contentType: type,
      url,
      name: name ?? 'attachment',
      ...(from === 'channel' ? { fromChannel: true } : {}),
    });
  }
  return kept;
}

/** What a reply needs (Bot Framework's conversation reference), but for the activity and its user, which are each turn's own. */
function referenceOf({ recipient, conversation, channelId, serviceUrl, locale }: Activity): Record<string, unknown> {
  return { bot: recipient, conversation, channelId, serviceUrl, ...(locale ? { locale } : {}) };
}

/** A person sees that the customer writes; nobody else needs to know. Best effort. */
async function typed(id: ConversationId): Promise<void> {
  try {
    const document = await readConversation(id);
    if (document && document.speaker.kind !== 'bot') await noteTyping(document, Date.now());
  } catch (error) {
    log('info', 'that a customer writes was not noted', { error: String(error) });
  }
}

/** Best effort: a turn is not lost for want of a typing indicator. */
async function typing(reference: Record<string, unknown>): Promise<void> {
  const { sendTyping } = await import('../services/channel.ts');
  // The channel waits for the 202; it must not wait for its own connector.
  const outcome = await Promise.race([sendTyping(reference), sleep(TYPING_MS, null, { ref: false })]);
  if (outcome && !outcome.ok) log('info', 'no typing indicator', { reason: outcome.reason });
}
