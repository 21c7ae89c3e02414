import type { AnsweredTurn, Conversation, Speaker } from '../conversation/document.ts';
import { type ConversationId, conversationId } from '../conversation/identifier.ts';
import { turnsAfter } from '../services/call-log.ts';
import { nextChange, readConversation } from '../services/conversations.ts';
import { conversationOf, waitOf } from './conversations.ts';
import { Problem } from './problem.ts';
import { json, read, route } from './route.ts';
import * as schemas from './schemas.ts';

/** Turns of one answer. */
const LIMIT = 100;
/** How long another instance's word may go unseen, in milliseconds. */
const PAUSE = 600;

/** GET /api/conversations/{conversationId}/replies: what was said since a cursor, by the bot and by persons, in its order. */
export const listReplies = route(
  'conversations.replies',
  {
    summary: 'What was said since then',
    description:
      'Late answers, and what a person says, reach a client here: ask with the last cursor and `Prefer: wait`, again and again. Nothing is left out, and nothing comes twice.',
    access: 'key',
    path: schemas.conversation,
    query: schemas.repliesQuery,
    headers: schemas.waitHeaders,
    answers: { 200: { description: 'The replies; none where the time is over.', schema: schemas.replyList } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request) => {
    const given = conversationOf(request);
    const id = conversationId('api', given);
    const after = Number(read('after', request.query.get('after') ?? '0', schemas.repliesQuery.shape.after));
    const end = Date.now() + waitOf(request) * 1_000;
    for (;;) {
      const document = await readConversation(id);
      if (!document) throw new Problem('not_found', 'There is no such conversation.');
      const turns = await since(id, document, after);
      const left = end - Date.now();
      // What a person was told without a word in reply is no news.
      if (turns.some(({ replies }) => replies.length > 0) || left <= 0)
        return json(200, answer(given, document, turns, after));
      await nextChange(id, Math.min(PAUSE, left));
    }
  },
);

/** What the document has, and, where it has forgotten some of it already, the call log before that. */
async function since(id: ConversationId, document: Conversation, given: number): Promise<AnsweredTurn[]> {
  const after = begun(document, given);
  const recent = document.recent.filter(({ ordinal }) => ordinal > after);
  const first = recent[0]?.ordinal ?? document.said + 1;
  if (first <= after + 1) return recent;
  const logged = (await turnsAfter(id, after, document.createdAt, LIMIT)).filter(({ ordinal }) => ordinal < first);
  return [...logged, ...recent].slice(0, LIMIT);
}

/** A cursor of a conversation of the same id that was erased, or was over, since: it begins anew. */
function begun({ said }: Pick<Conversation, 'said'>, after: number): number {
  return after > said ? 0 : after;
}

function answer(given: string, { speaker, said }: Conversation, turns: AnsweredTurn[], after: number) {
  return {
    conversationId: given,
    cursor: String(turns.at(-1)?.ordinal ?? begun({ said }, after)),
    speaker: whoSpeaks(speaker),
    replies: turns.flatMap(({ givenId, by, answeredAt, replies }) =>
      replies.map((reply) => ({
        ...reply,
        turnId: givenId || null,
        by: by ? 'person' : 'bot',
        ...(by && { name: by.name }),
        at: answeredAt,
      })),
    ),
  };
}

function whoSpeaks(speaker: Speaker) {
  return speaker.kind === 'person' ? { kind: 'person', name: speaker.agent.name } : { kind: speaker.kind };
}
