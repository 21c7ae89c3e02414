import { conversationId, turnId } from '../conversation/identifier.ts';
import { mask } from '../conversation/mask.ts';
import { currentBot } from '../services/bot.ts';
import { rate } from '../services/call-log.ts';
import { readConversation } from '../services/conversations.ts';
import { settings } from '../services/settings.ts';
import { markStale } from '../services/statistics.ts';
import { conversationOf, turnKeyOf } from './conversations.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';
import * as schemas from './schemas.ts';

/** POST /api/conversations/{conversationId}/messages/{turnId}/feedback: the newest rating of a turn counts. */
export const postFeedback = route(
  'feedback',
  {
    summary: 'Rate an answer',
    description: 'The newest rating of a turn counts. Personal details in a comment are masked.',
    access: 'key',
    path: schemas.turn,
    body: schemas.feedbackRequest,
    answers: { 200: { description: 'Recorded.', schema: schemas.feedbackResponse } },
    problems: ['not_found', 'unavailable'],
  },
  async (request) => {
    const id = conversationId('api', conversationOf(request));
    const key = turnKeyOf(request);
    const { rating, comment } = await readJson(request, schemas.feedbackRequest);
    const kept =
      comment !== undefined && settings().MASK_PERSONAL_DETAILS ? mask(comment, currentBot().personalDetails) : comment;
    const feedback = { rating, ...(kept === undefined ? {} : { comment: kept }), at: Date.now() };
    const answeredAt = await rate(id, turnId(key), feedback);
    if (answeredAt !== null) {
      await markStale(answeredAt, Date.now());
      return json(200, { turnId: key, feedback });
    }
    // The call log is written a moment after the answer: that moment is not "not found".
    const document = await readConversation(id);
    if (document && [...document.inbox, ...document.recent].some((turn) => turn.id === turnId(key)))
      throw new Problem('unavailable', 'This turn is not in the call log yet.');
    throw new Problem('not_found', 'There is no such turn.');
  },
);
