import type { HttpRequest } from '@azure/functions';
import type { AnsweredTurn, Conversation, Turn } from '../../conversation/document.ts';
import { type ConversationId, storedConversationId } from '../../conversation/identifier.ts';
import { olderTurns } from '../../services/call-log.ts';
import { nextChange, readConversation } from '../../services/conversations.ts';
import { LOOKING, look, readNotes } from '../../services/notes.ts';
import { log } from '../../services/telemetry.ts';
import { Problem } from '../problem.ts';
import { json, read, staffRoute } from '../route.ts';
import { longPoll } from './long-poll.ts';
import * as schemas from './schemas.ts';

/** How long another instance's change, or a colleague's note, may go unseen, in milliseconds. */
const PAUSE = 600;
const OLDER = 50;
/** How long a customer is said to write after the last sign of it. */
const TYPING = 5_000;

/** GET /api/admin/desk/{conversationId} */
export const getTranscript = staffRoute(
  'admin.transcript',
  {
    summary: 'A conversation as the staff sees it',
    description: 'While a person is asked for or has it, the last turns stand here as they were written.',
    path: schemas.conversation,
    headers: schemas.waitHeaders,
    answers: {
      200: {
        description: 'The conversation.',
        schema: schemas.transcript,
        headers: { ETag: 'Of this conversation.' },
      },
      304: { description: 'It is the one that the caller has.' },
    },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request, agent) => {
    const id = conversationOf(request);
    const current = await existing(id);
    await seen(current, agent);
    return await longPoll(
      request,
      async () => await transcript(await existing(id), agent.id),
      (ms) => nextChange(id, ms),
      PAUSE,
    );
  },
);

/** GET /api/admin/desk/{conversationId}/turns */
export const getOlder = staffRoute(
  'admin.older',
  {
    summary: 'Older turns of a conversation, from the call log: without personal details',
    path: schemas.conversation,
    query: schemas.olderQuery,
    answers: { 200: { description: 'The turns, oldest first.', schema: schemas.older } },
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => {
    const id = conversationOf(request);
    const before = Number(read('before', request.query.get('before') ?? '', schemas.olderQuery.shape.before));
    return json(200, { turns: (await olderTurns(id, before, OLDER)).map((turn) => shown(turn, null)) });
  },
);

export function conversationOf(request: HttpRequest): ConversationId {
  const given = read('conversationId', request.params.conversationId ?? '', schemas.conversation.shape.conversationId);
  return storedConversationId(given)!;
}

/** Who looks is worth no failed look. */
async function seen(document: Conversation, agent: { id: string; name: string }): Promise<void> {
  try {
    await look(document, agent, Date.now());
  } catch (error) {
    log('warn', 'who looks at a conversation was not noted', { error: String(error) });
  }
}

export async function existing(id: ConversationId): Promise<Conversation> {
  const document = await readConversation(id);
  if (!document) throw new Problem('not_found', 'There is no such conversation, or its user was erased.');
  return document;
}

async function transcript(document: Conversation, viewer: string) {
  const notes = await readNotes(document.id);
  const now = Date.now();
  const last = document.recent.findLast(({ by }) => !by) ?? document.inbox[0];
  return {
    conversationId: document.id,
    now,
    speaker: document.speaker,
    callback: document.callback,
    locale: document.locale,
    channel: document.channel.kind === 'api' ? 'api' : String(document.channel.reference.channelId),
    customerId: last?.customerId ?? null,
    turns: [...document.recent, ...document.inbox].map((turn) => shown(turn, document)),
    notes: notes?.notes ?? [],
    draft: notes?.drafts[viewer]?.text ?? '',
    isTyping: now - (notes?.typedAt ?? 0) < TYPING && document.speaker.kind !== 'bot',
    viewers: Object.entries(notes?.viewers ?? {})
      .filter(([id, { at }]) => id !== viewer && now - at < LOOKING)
      .map(([id, { name }]) => ({ id, name })),
  };
}

function shown(turn: Turn | AnsweredTurn, document: Conversation | null) {
  const said = {
    turnId: turn.id,
    at: turn.acceptedAt,
    ordinal: 'ordinal' in turn ? turn.ordinal : null,
    text: turn.text,
    attachments: turn.attachments.map(({ name, contentType }, index) => ({ index, name, contentType })),
    ...(turn.refused && { refused: turn.refused }),
  };
  if (!('answeredAt' in turn)) return { ...said, status: 'waiting', replies: [], delivery: 'none' };
  const { by, replies, understanding, skill, wrapUp, rating, outcome } = turn;
  return {
    ...said,
    status: outcome,
    ...(by && { by }),
    ...(turn.step && { step: turn.step }),
    replies,
    delivery: deliveryOf(turn, document),
    ...(understanding && { intent: { name: understanding.intent, score: understanding.score } }),
    skill,
    ...(wrapUp !== undefined && { wrapUp }),
    ...(rating !== undefined && { rating }),
  };
}

function deliveryOf({ id, replies, deliveryError, deliveredAt }: AnsweredTurn, document: Conversation | null) {
  if (deliveryError !== undefined) return 'failed';
  if (replies.length === 0) return 'none';
  if (deliveredAt !== null || document?.channel.kind === 'api') return 'sent';
  return document?.outbox.some(({ turnId }) => turnId === id) ? 'pending' : 'sent';
}
