import { randomUUID } from 'node:crypto';
import type { HttpRequest } from '@azure/functions';
import type { AnsweredTurn, Conversation, Turn } from '../conversation/document.ts';
import {
  type ConversationId,
  conversationId,
  customerId,
  type TurnId,
  turnId,
  userId,
} from '../conversation/identifier.ts';
import { nextChange, readConversation } from '../services/conversations.ts';
import { settings } from '../services/settings.ts';
import { traceparent } from '../services/telemetry.ts';
import { accept, fingerprint } from './accept.ts';
import { Problem } from './problem.ts';
import { json, type Operation, read, readJson, route } from './route.ts';
import * as schemas from './schemas.ts';

/** The longest `Prefer: wait`, in seconds. */
const WAIT_LIMIT = 30;

const answers: Operation['answers'] = {
  200: { description: 'Answered.', schema: schemas.messageResponse },
  202: {
    description: 'Accepted; not answered yet.',
    schema: schemas.messageResponse,
    headers: { Location: 'Where the answer will be.', 'Retry-After': 'Seconds.' },
  },
};

/** POST /api/conversations/{conversationId}/messages */
export const postMessage = route(
  'conversations.post',
  {
    summary: 'Send a message',
    description:
      'A conversation begins with its first message and belongs to its user. Text of more than 4,000 characters and bodies of more than 64 KB are refused, as are control characters and fields that are not here.',
    access: 'key',
    path: schemas.conversation,
    headers: schemas.messageHeaders.extend(schemas.waitHeaders.shape),
    body: schemas.messageRequest,
    answers,
    problems: [
      'invalid_message',
      'not_found',
      'idempotency_conflict',
      'push_off',
      'inbox_full',
      'too_many_requests',
      'unavailable',
    ],
  },
  async (request) => {
    const given = conversationOf(request);
    const key = keyOf(request) ?? randomUUID();
    const body = await readJson(request, schemas.messageRequest);
    const id = conversationId('api', given);
    const turn = {
      id: turnId(key),
      givenId: key,
      text: body.text,
      attachments: [],
      locale: body.locale,
      fingerprint: fingerprint([body.userId, body.customerId, body.text, body.locale]),
      traceparent: traceparent(),
      acceptedAt: Date.now(),
      attempts: 0,
      retryAt: 0,
    };
    const user = {
      id: userId('api', body.userId),
      space: 'api',
      givenId: body.userId,
      customerId: customerId(body.customerId ?? ''),
    };
    if (body.push && !settings().REPLIES_URL) throw new Problem('push_off');
    const channel = { kind: 'api' as const, ...(body.push && { push: given }) };
    const { kind } = await accept(id, turn, user, channel);
    const seconds = waitOf(request);
    const fresh = kind === 'accepted';
    const answered = fresh && seconds === 0 ? null : await waitForAnswer(id, turn.id, seconds, fresh);
    if (answered) return json(200, response(given, answered));
    return json(202, { conversationId: given, turnId: key, status: 'accepted' }, pending(given, key));
  },
);

/** GET /api/conversations/{conversationId}/messages/{turnId} */
export const getMessage = route(
  'conversations.get',
  {
    summary: 'One turn',
    access: 'key',
    path: schemas.turn,
    headers: schemas.waitHeaders,
    answers,
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const given = conversationOf(request);
    const key = turnKeyOf(request);
    const [id, turn] = [conversationId('api', given), turnId(key)];
    const answered = await waitForAnswer(id, turn, waitOf(request));
    if (answered) return json(200, response(given, answered));
    // It may have been answered since the last look.
    const { inbox, recent } = await conversation(id);
    const found = [...recent, ...inbox].find((one) => one.id === turn);
    if (found && 'answeredAt' in found) return json(200, response(given, found));
    if (found) return json(202, response(given, found), pending(given, key));
    throw new Problem('not_found', 'This conversation has no such turn, or it is older than the recent ones.');
  },
);

/** GET /api/conversations/{conversationId}/messages */
export const listMessages = route(
  'conversations.list',
  {
    summary: 'The recent turns, oldest first',
    description: 'What a person says answers no turn: it is among the replies (`…/replies`).',
    access: 'key',
    path: schemas.conversation,
    answers: { 200: { description: 'The turns.', schema: schemas.messageList } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const given = conversationOf(request);
    const document = await conversation(conversationId('api', given));
    const own = document.recent.filter(({ givenId }) => givenId !== '');
    return json(200, { messages: [...own, ...document.inbox].map((turn) => response(given, turn)) });
  },
);

async function conversation(id: ConversationId): Promise<Conversation> {
  const current = await readConversation(id);
  if (!current) throw new Problem('not_found', 'There is no such conversation.');
  return current;
}

function response(conversationId: string, turn: Turn | AnsweredTurn) {
  const { givenId, text } = turn;
  if (!('answeredAt' in turn)) return { conversationId, turnId: givenId, status: 'accepted', text };
  const { understanding, replies, outcome } = turn;
  return {
    conversationId,
    turnId: givenId,
    status: outcome,
    text,
    replies,
    ...(understanding && {
      intent: { name: understanding.intent, score: understanding.score },
      ...(understanding.faq && { faq: { entry: understanding.faq.entry, score: understanding.faq.score } }),
      ...(understanding.wishes && { wishes: understanding.wishes }),
      model: understanding.model,
    }),
  };
}

/**
 * Waits for the answer: for a change that this process makes and, since another instance may be the one that answers, by
 * reading the document after pauses that grow from 100 ms to 2 s. A `fresh` turn, accepted a moment ago, is not read at once.
 */
async function waitForAnswer(
  id: ConversationId,
  turn: TurnId,
  seconds: number,
  fresh = false,
): Promise<AnsweredTurn | null> {
  const end = Date.now() + seconds * 1_000;
  const answer = (document: Conversation | null) => document?.recent.find((answered) => answered.id === turn);
  let pause = 100;
  for (let look = !fresh; ; look = true) {
    const current = look ? await readConversation(id) : null;
    const known = answer(current);
    if (known) return known;
    const left = end - Date.now();
    if (left <= 0 || (look && !current)) return null;
    const pauseEnd = Date.now() + Math.min(pause, left);
    for (let rest = pauseEnd - Date.now(); rest > 0; rest = pauseEnd - Date.now()) {
      const found = answer(await nextChange(id, rest));
      if (found) return found;
    }
    pause = Math.min(pause * 1.6, 2_000);
  }
}

function pending(given: string, key: string): Record<string, string> {
  return { location: `/api/conversations/${given}/messages/${encodeURIComponent(key)}`, 'retry-after': '1' };
}

export function conversationOf(request: HttpRequest): string {
  return read('conversationId', request.params.conversationId ?? '', schemas.conversation.shape.conversationId);
}

export function turnKeyOf(request: HttpRequest): string {
  return read('turnId', request.params.turnId ?? '', schemas.turnKey);
}

function keyOf(request: HttpRequest): string | undefined {
  const value = request.headers.get('idempotency-key');
  return value === null ? undefined : read('Idempotency-Key', value, schemas.turnKey);
}

/** Seconds of `Prefer: wait=n` (RFC 7240); other preferences are ignored, as the RFC asks. */
export function waitOf(request: HttpRequest): number {
  for (const preference of (request.headers.get('prefer') ?? '').split(/[,;]/)) {
    const [name, value = ''] = preference.split('=', 2).map((part) => part.trim());
    const seconds = /^"?(\d{1,4})"?$/.exec(value)?.[1];
    if (name?.toLowerCase() === 'wait' && seconds) return Math.min(Number(seconds), WAIT_LIMIT);
  }
  return 0;
}
