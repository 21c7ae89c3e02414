import { z } from 'zod';
import { auditLook } from '../../services/audit.ts';
import { movedTurns } from '../../services/call-log.ts';
import { listReplays, readReplay } from '../../services/replays.ts';
import { REPLAY_ID } from '../../training/replay.ts';
import { Problem } from '../problem.ts';
import { json, read, readQuery, staffRoute } from '../route.ts';
import { agentOf } from './speak.ts';

const [LIMIT, TURNS] = [5, 50];

const intent = z.string().regex(/^[\w-]{1,64}$/, 'must be the name of an intent');
const replayPath = z.object({ replayId: z.string().regex(REPLAY_ID, 'must be the version of a model') });
const movement = z.object({ before: intent, after: intent });
const replays = z
  .object({
    replays: z.array(
      z.object({
        id: z.string().meta({ description: 'The version of the model.' }),
        startedAt: z.number(),
        state: z.enum(['running', 'done', 'ended']),
        from: z.number(),
        to: z.number(),
        place: z.number().meta({ description: 'What was answered since then has been seen.' }),
        seen: z.int(),
        movements: z.array(z.object({ before: z.string(), after: z.string(), count: z.int() })),
      }),
    ),
  })
  .meta({ id: 'Replays' });
const replayTurns = z
  .object({
    turns: z.array(
      z.object({
        conversationId: z.string(),
        turnId: z.string(),
        text: z.string(),
        locale: z.string(),
        answeredAt: z.number(),
        before: z.number().meta({ description: 'The score then.' }),
        after: z.number().meta({ description: 'The score now.' }),
      }),
    ),
  })
  .meta({ id: 'ReplayTurns' });

/** GET /api/admin/replays */
export const getReplays = staffRoute(
  'admin.replays',
  {
    summary: 'The log seen again: what customers wrote lately, understood once more by what went live',
    answers: { 200: { description: 'The newest.', schema: replays } },
    problems: ['unavailable'],
  },
  async () => {
    const found = await listReplays(LIMIT);
    return json(200, { replays: found.map(({ claim: _, ...replay }) => replay) });
  },
);

/** GET /api/admin/replays/{replayId}/turns */
export const getReplayTurns = staffRoute(
  'admin.replay-turns',
  {
    summary: 'Messages that were understood as one thing, and are as another now',
    path: replayPath,
    query: movement,
    answers: { 200: { description: 'The newest of them.', schema: replayTurns } },
    problems: ['invalid_message', 'not_found', 'unavailable'],
  },
  async (request, principal) => {
    const id = read('replayId', request.params.replayId ?? '', replayPath.shape.replayId);
    const replay = await readReplay(id);
    if (!replay) throw new Problem('not_found', 'The log was not seen again by such a model.');
    const { before, after } = readQuery(request, movement);
    const turns = await movedTurns({ version: id, before, after }, replay, TURNS);
    await auditLook(agentOf(principal), 'training.view', id);
    return json(200, {
      turns: turns.map(({ id: turnId, conversationId, text, locale, answeredAt, understanding, again }) => ({
        conversationId,
        turnId,
        text,
        locale,
        answeredAt,
        before: understanding!.score,
        after: again!.score,
      })),
    });
  },
);
