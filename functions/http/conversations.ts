import { createHash, randomUUID } from 'node:crypto';
import type { HttpRequest } from '@azure/functions';
import type { AnsweredTurn, Conversation, Turn } from '../conversation/document.ts';
import type { Incoming } from '../conversation/transitions.ts';
import { nextChange } from '../services/conversations.ts';
import { readConversation } from '../services/cosmos.ts';
import { traceparent } from '../services/telemetry.ts';
import { accept } from './accept.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';
import * as schemas from './schemas.ts';

/** The longest `Prefer: wait`, in seconds. */
const WAIT_LIMIT = 30;

/** POST /api/conversations/{conversationId}/messages */
export const postMessage = route('conversations.post', async (request) => {
  const conversationId = parameter(request, 'conversationId', schemas.conversationId);
  const turnId = key(request) ?? randomUUID();
  const body = await readJson(request, schemas.messageRequest);
  const now = Date.now();
  const id = documentId(conversationId);
  const turn: Incoming = {
    id: turnId,
    userId: body.userId,
    text: body.text,
    attachments: [],
    locale: schemas.localeNamed(body.locale),
    fingerprint: createHash('sha256')
      .update(JSON.stringify([body.userId, body.text, body.locale ?? null]))
      .digest('base64url'),
    traceparent: traceparent(),
    acceptedAt: now,
    attempts: 0,
    retryAt: 0,
  };
  const kind = await accept(id, turn, { kind: 'api' });
  const seconds = wait(request);
  const fresh = kind === 'accepted';
  const answered = fresh && seconds === 0 ? null : await waitForAnswer(id, turnId, seconds, fresh);
  if (answered) return json(200, response(conversationId, answered));
  return json(202, { conversationId, turnId, status: 'accepted' }, pending(conversationId, turnId));
});

/** GET /api/conversations/{conversationId}/messages/{turnId} */
export const getMessage = route('conversations.get', async (request) => {
  const conversationId = parameter(request, 'conversationId', schemas.conversationId);
  const turnId = parameter(request, 'turnId', schemas.turnId);
  const id = documentId(conversationId);
  const answered = await waitForAnswer(id, turnId, wait(request));
  if (answered) return json(200, response(conversationId, answered));
  const document = await conversation(id);
  const turn = document.inbox.find((waiting) => waiting.id === turnId);
  if (turn) return json(202, response(conversationId, turn), pending(conversationId, turnId));
  throw new Problem('not_found', 'This conversation has no such turn, or it is older than the recent ones.');
});

/** GET /api/conversations/{conversationId}/messages */
export const listMessages = route('conversations.list', async (request) => {
  const conversationId = parameter(request, 'conversationId', schemas.conversationId);
  const document = await conversation(documentId(conversationId));
  return json(200, { messages: [...document.recent, ...document.inbox].map((turn) => response(conversationId, turn)) });
});

/** The Cosmos DB id of a conversation of the HTTP API: apart from those of every channel. */
export function documentId(conversationId: string): string {
  return `api.${conversationId}`;
}

async function conversation(id: string): Promise<Conversation> {
  const current = await readConversation(id);
  if (!current) throw new Problem('not_found', 'There is no such conversation.');
  return current.document;
}

function response(conversationId: string, turn: Turn | AnsweredTurn) {
  const { id: turnId, text } = turn;
  if (!('answeredAt' in turn)) return { conversationId, turnId, status: 'accepted', text };
  const { understanding, replies, outcome } = turn;
  return {
    conversationId,
    turnId,
    status: outcome,
    text,
    replies,
    ...(understanding && {
      intent: { name: understanding.intent, score: understanding.score },
      model: understanding.model,
    }),
  };
}

/**
 * Waits for the answer: for a change that this process makes and, since another instance may be the one that answers, by
 * reading the document after pauses that grow from 100 ms to 2 s. A `fresh` turn, accepted a moment ago, is not read at once.
 */
async function waitForAnswer(id: string, turnId: string, seconds: number, fresh = false): Promise<AnsweredTurn | null> {
  const end = Date.now() + seconds * 1_000;
  const answer = (document: Conversation | undefined) => document?.recent.find((answered) => answered.id === turnId);
  let pause = 100;
  for (let read = !fresh; ; read = true) {
    const current = read ? await readConversation(id) : null;
    const known = answer(current?.document);
    if (known) return known;
    const left = end - Date.now();
    if (left <= 0 || (read && !current)) return null;
    const pauseEnd = Date.now() + Math.min(pause, left);
    for (let rest = pauseEnd - Date.now(); rest > 0; rest = pauseEnd - Date.now()) {
      const found = answer((await nextChange(id, rest)) ?? undefined);
      if (found) return found;
    }
    pause = Math.min(pause * 1.6, 2_000);
  }
}

function pending(conversationId: string, turnId: string): Record<string, string> {
  return { location: `/api/conversations/${conversationId}/messages/${turnId}`, 'retry-after': '1' };
}

function key(request: HttpRequest): string | undefined {
  const value = request.headers.get('idempotency-key');
  if (value === null) return undefined;
  return check('Idempotency-Key', value, schemas.turnId);
}

/** Seconds of `Prefer: wait=n` (RFC 7240); other preferences are ignored, as the RFC asks. */
function wait(request: HttpRequest): number {
  const seconds = /(?:^|[\s,;])wait\s*=\s*"?(\d{1,4})"?/i.exec(request.headers.get('prefer') ?? '')?.[1];
  return Math.min(Number(seconds ?? 0), WAIT_LIMIT);
}

export function parameter(request: HttpRequest, name: string, schema: typeof schemas.conversationId): string {
  return check(name, request.params[name] ?? '', schema);
}

function check(field: string, value: string, schema: typeof schemas.conversationId): string {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const reason = parsed.error.issues[0]!.message;
  throw new Problem('invalid_message', `${field}: ${reason}.`, { errors: [{ field, reason }] });
}
