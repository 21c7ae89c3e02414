import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpRequest } from '@azure/functions';
import { z } from 'zod';
import type { Attachment } from '../conversation/document.ts';
import type { Incoming } from '../conversation/transitions.ts';
import { readable } from '../services/blobs.ts';
import { log, traceparent } from '../services/telemetry.ts';
import { accept } from './accept.ts';
import { stored } from './identifier.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';
import { localeNamed, text as textSchema } from './schemas.ts';

const TYPING_MS = 1_000;

const id = z.string().min(1).max(512);

/** The fields of a Bot Framework activity that the bot reads; a channel may send any others. */
const activity = z.looseObject({
  type: z.string().min(1).max(64),
  id: id.optional(),
  channelId: z.string().regex(/^[\w.-]{1,64}$/),
  serviceUrl: z.url({ protocol: /^https?$/ }).max(1_024),
  from: z.looseObject({ id, name: z.string().max(512).optional() }).optional(),
  recipient: z.looseObject({ id, name: z.string().max(512).optional() }).optional(),
  conversation: z.looseObject({ id, isGroup: z.boolean().optional() }).optional(),
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
});
type Activity = z.infer<typeof activity>;

/** POST /api/messages: an activity of a Bot Framework channel. Answered with 202 before anything is understood. */
export const postActivity = route('messages', async (request: HttpRequest) => {
  const { authenticate, Unauthorized } = await import('../services/channel.ts');
  const received = await readJson(request, activity);
  try {
    await authenticate(request.headers.get('authorization') ?? '', received);
  } catch (error) {
    if (!(error instanceof Unauthorized)) throw error;
    log('warn', 'a channel token was refused', { reason: error.message });
    throw new Problem('unauthorized', undefined, { headers: { 'www-authenticate': 'Bearer' } });
  }
  const turn = turnOf(received);
  if (!turn) {
    log('info', 'an activity was ignored', { type: received.type, channel: received.channelId });
    return json(202, {});
  }
  const reference = referenceOf(received);
  const documentId = conversationId(received.channelId, received.conversation!.id);
  const kind = await accept(documentId, turn, { kind: 'activity', reference });
  if (kind === 'accepted') await typing(reference);
  return json(202, { status: kind });
});

/** A message with something to understand; null for every other activity. */
function turnOf(received: Activity): Incoming | null {
  const { id: activityId, from, conversation } = received;
  if (received.type !== 'message' || !activityId || !from || !conversation) return null;
  const attachments = attachmentsOf(received);
  const text = received.text?.trim() ?? '';
  if (text === '' && attachments.length === 0) return null;
  if (text !== '') check(text);
  return {
    id: stored(activityId),
    replyTo: { activityId, user: from },
    userId: stored(from.id),
    text,
    attachments,
    locale: received.locale ? localeNamed(received.locale) : null,
    fingerprint: createHash('sha256')
      .update(JSON.stringify([from.id, text, attachments]))
      .digest('base64url'),
    traceparent: traceparent(),
    acceptedAt: Date.now(),
    attempts: 0,
    retryAt: 0,
  };
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
    if (!url) log('warn', 'an attachment was refused: its origin is not the channel', { channel: received.channelId });
    kept.push({ contentType, url, name: name ?? 'attachment' });
  }
  return kept;
}

/** What a reply needs (Bot Framework's conversation reference). */
function referenceOf({
  id: activityId,
  from,
  recipient,
  conversation,
  channelId,
  serviceUrl,
  locale,
}: Activity): Record<string, unknown> {
  return { activityId, user: from, bot: recipient, conversation, channelId, serviceUrl, ...(locale ? { locale } : {}) };
}

function conversationId(channel: string, conversation: string): string {
  return `${channel}.${stored(conversation)}`;
}

/** Best effort: a turn is not lost for want of a typing indicator. */
async function typing(reference: Record<string, unknown>): Promise<void> {
  const { sendTyping } = await import('../services/channel.ts');
  // The channel waits for the 202; it must not wait for its own connector.
  const outcome = await Promise.race([sendTyping(reference), sleep(TYPING_MS, null, { ref: false })]);
  if (outcome && !outcome.ok) log('info', 'no typing indicator', { reason: outcome.reason });
}
