import { addNote, keepDraft } from '../../services/notes.ts';
import { readJson, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';
import { agentOf } from './speak.ts';
import { conversationOf, existing } from './transcript.ts';

const answers = { 204: { description: 'Kept, or kept before.' } };

/** POST …/notes */
export const postNote = staffRoute(
  'admin.note',
  {
    summary: 'Leave a note for colleagues, which no customer sees',
    path: schemas.conversation,
    body: schemas.note,
    answers,
    problems: ['not_found', 'unavailable'],
  },
  async (request, principal) => {
    const { key, text } = await readJson(request, schemas.note);
    // Before the look: what is written of somebody who is erased meanwhile goes with them.
    const at = Date.now();
    await addNote(await existing(conversationOf(request)), { key, by: agentOf(principal), text, at });
    return { status: 204 };
  },
);

/** PUT …/draft */
export const putDraft = staffRoute(
  'admin.draft',
  {
    summary: 'Keep what one is writing; blank: nothing',
    path: schemas.conversation,
    body: schemas.draft,
    answers,
    problems: ['not_found', 'unavailable'],
  },
  async (request, principal) => {
    const { text } = await readJson(request, schemas.draft);
    const at = Date.now();
    await keepDraft(await existing(conversationOf(request)), agentOf(principal), text, at);
    return { status: 204 };
  },
);
