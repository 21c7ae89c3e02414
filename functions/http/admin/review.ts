import type { HttpRequest } from '@azure/functions';
import { type Group, groupOf } from '../../content/queue.ts';
import type { Agent } from '../../conversation/document.ts';
import { storedConversationId, storedTurnId } from '../../conversation/identifier.ts';
import { audited } from '../../services/audit.ts';
import { readTurn } from '../../services/call-log.ts';
import { published, readDraft, Stale } from '../../services/content.ts';
import { decide, nextReviews, readReview, takeReview, undo, waitingReviews } from '../../services/reviews.ts';
import { Problem } from '../problem.ts';
import { json, read, readJson, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';

/** The one that is looked at, and the next, so that nobody waits for it. */
const GIVEN = 2;

/** POST /api/admin/review: it gives what it answers to one person, and so is no look. */
export const postNext = staffRoute(
  'admin.review',
  {
    summary: 'What most needs a person\u2019s look of what customers wrote: the next two, given to nobody else',
    body: schemas.reviewNext,
    answers: { 200: { description: 'The next, and what may be said of them.', schema: schemas.reviews } },
    problems: ['not_found', 'content_changed', 'invalid_message', 'unavailable'],
  },
  async (request, principal) => {
    const { turn } = await readJson(request, schemas.reviewNext);
    const now = Date.now();
    const by = agentOf(principal);
    const first = turn ? await wanted(by, turn, now) : [];
    const [items, waiting, { content }] = [
      await nextReviews(by, GIVEN, now),
      await waitingReviews(now),
      await published(),
    ];
    const known = new Set(content.intents.map(({ name }) => name));
    return json(200, {
      items: [...first, ...items.filter(({ id }) => first.every((one) => one.id !== id))].map((group) =>
        shown(group, known),
      ),
      waiting,
      intents: content.intents.map(({ name }) => name).sort(),
    });
  },
);

/** What somebody wants to say something of, given to them alone. */
async function wanted(
  by: Agent,
  { conversationId, turnId }: { conversationId: string; turnId: string },
  now: number,
): Promise<Group[]> {
  const [conversation, id] = [storedConversationId(conversationId), storedTurnId(turnId)];
  const turn = conversation && id ? await readTurn(conversation, id) : null;
  const group = turn && groupOf(turn);
  if (!group) throw new Problem('not_found', 'There is no such message, or nothing that a label could be said of.');
  if (!(await takeReview(group, by, now)))
    throw new Problem('content_changed', 'A colleague has it, or something was said of it already.');
  return [group];
}

/** POST /api/admin/review/{reviewId} */
export const postReview = staffRoute(
  'admin.review-decide',
  {
    summary:
      'Say what it means; it becomes an utterance of the draft, but for a fifth, which judges models and never trains them',
    path: schemas.review,
    body: schemas.decision,
    answers: { 200: { description: 'Kept, or kept before.', schema: schemas.decided } },
    problems: ['not_found', 'content_changed', 'invalid_message', 'unavailable'],
  },
  async (request, principal) => {
    const id = idOf(request);
    const { kind, intent } = await readJson(request, schemas.decision);
    await existing(id);
    if (kind === 'intent' && !(await isKnown(intent!))) {
      const reason = 'the bot has no such intent, nor a draft of one';
      throw new Problem('invalid_message', `intent: ${reason}.`, { errors: [{ field: 'intent', reason }] });
    }
    const by = agentOf(principal);
    const review = await orStale(
      audited(by, 'review.decide', id, async () => ({
        result: await decide(id, by, { kind, intent: kind === 'intent' ? intent! : null }, Date.now()),
        after: { kind, intent: intent ?? null },
      })),
    );
    return json(200, { trains: review.decision?.trains ?? false });
  },
);

/** POST /api/admin/review/{reviewId}/undo */
export const postUndo = staffRoute(
  'admin.review-undo',
  {
    summary: 'Take back what one has said',
    path: schemas.review,
    body: schemas.nothing,
    answers: { 204: { description: 'Taken back: it is looked at once more.' } },
    problems: ['not_found', 'content_changed', 'invalid_message', 'unavailable'],
  },
  async (request, principal) => {
    await readJson(request, schemas.nothing);
    const id = idOf(request);
    const before = await existing(id);
    const by = agentOf(principal);
    await orStale(
      audited(by, 'review.undo', id, async () => ({
        result: await undo(id, by, Date.now()),
        before: { intent: before.decision?.intent ?? null },
      })),
    );
    return { status: 204 };
  },
);

/** Only what may be said of it: neither the FAQ nor what the bot no longer has. */
function shown({ id, text, locale, reasons, turns }: Group, known: ReadonlySet<string>) {
  const [newest] = turns;
  const { understanding, replies, conversationId, id: turnId, answeredAt } = newest!;
  return {
    id,
    text,
    locale,
    reasons,
    times: turns.length,
    conversationId,
    turnId,
    at: answeredAt,
    reply: replies.map((reply) => reply.text).join('\n'),
    ...(understanding && known.has(understanding.intent)
      ? { intent: understanding.intent, score: understanding.score }
      : { intent: null, score: null }),
    top: (understanding?.top ?? [])
      .filter(({ intent }) => known.has(intent))
      .sort((a, b) => b.score - a.score)
      .slice(0, 5),
  };
}

async function isKnown(intent: string): Promise<boolean> {
  const { content } = await published();
  return content.intents.some(({ name }) => name === intent) || (await readDraft(`intent.${intent}`)) !== null;
}

async function orStale<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Stale) throw new Problem('content_changed', error.message);
    throw error;
  }
}

async function existing(id: string) {
  const review = await readReview(id);
  if (!review) throw new Problem('not_found', 'There is no such text to look at.');
  return review;
}

const idOf = (request: HttpRequest): string =>
  read('reviewId', request.params.reviewId ?? '', schemas.review.shape.reviewId);
