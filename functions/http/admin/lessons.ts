import { createHash } from 'node:crypto';
import { storedTurnId } from '../../conversation/identifier.ts';
import { currentBot, keptOf } from '../../services/bot.ts';
import { keepLesson } from '../../services/lessons.ts';
import { Problem } from '../problem.ts';
import { readJson, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';
import { conversationOf, existing } from './transcript.ts';

/** POST …/lessons: what the bot should have answered. */
export const postLesson = staffRoute(
  'admin.lesson',
  {
    summary:
      'Suggest what the bot should have answered: another way to say something, an answer, or an entry of the FAQ',
    path: schemas.conversation,
    body: schemas.lesson,
    answers: { 204: { description: 'Kept, or kept before.' } },
    problems: ['not_found', 'unavailable'],
  },
  async (request, principal) => {
    const { key, kind, question, answer, intent, turnId } = await readJson(request, schemas.lesson);
    const bot = currentBot();
    const refuse = (field: string, reason: string) =>
      new Problem('invalid_message', `${field}: ${reason}.`, { errors: [{ field, reason }] });
    if (kind !== 'faq' && !(intent && bot.intents.has(intent))) throw refuse('intent', 'the bot has no such intent');
    if (kind !== 'utterance' && answer.trim() === '') throw refuse('answer', 'must not be blank');
    const document = await existing(conversationOf(request));
    const turn = document.recent.find(({ id }) => id === storedTurnId(turnId));
    if (!turn) throw new Problem('not_found', 'This conversation has no such turn any more.');
    // Whoever wrote it down may have copied a number: a lesson outlives the conversation.
    const kept = keptOf(bot);
    const id = createHash('sha256')
      .update(JSON.stringify([principal.id, key]))
      .digest('base64url');
    await keepLesson({
      id: `lesson.${id}`,
      kind,
      language: document.locale,
      question: kept(question),
      answer: kept(answer),
      intent: kind === 'faq' ? null : intent,
      by: agentOf(principal),
      at: Date.now(),
      from: { conversationId: document.id, turnId: turn.id },
      participants: [turn.userId],
    });
    return { status: 204 };
  },
);
