import { Conflict, readConversation, readTurn, replaceTurn } from '../services/cosmos.ts';
import { documentId, parameter } from './conversations.ts';
import { Problem } from './problem.ts';
import { json, readJson, route } from './route.ts';
import * as schemas from './schemas.ts';

/** POST /api/conversations/{conversationId}/messages/{turnId}/feedback: the newest rating of a turn counts. */
export const postFeedback = route('feedback', async (request) => {
  const id = documentId(parameter(request, 'conversationId', schemas.conversationId));
  const turnId = parameter(request, 'turnId', schemas.turnId);
  const feedback = await readJson(request, schemas.feedbackRequest);
  for (let race = 0; race < 5; race += 1) {
    const current = await readTurn(id, turnId);
    if (!current) return await missing(id, turnId);
    try {
      await replaceTurn({ ...current.document, feedback: { ...feedback, at: Date.now() } }, current.etag);
      return json(200, { turnId, feedback });
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
  }
  throw new Problem('unavailable', 'Others are rating the same turn.');
});

/** The call log is written a moment after the answer: that moment is not "not found". */
async function missing(id: string, turnId: string): Promise<never> {
  const current = await readConversation(id);
  const turns = current ? [...current.document.inbox, ...current.document.recent] : [];
  if (turns.some((turn) => turn.id === turnId))
    throw new Problem('unavailable', 'This turn is not in the call log yet.');
  throw new Problem('not_found', 'There is no such turn.');
}
