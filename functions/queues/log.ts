import type { AnsweredTurn, Conversation } from '../conversation/document.ts';
import * as conversation from '../conversation/transitions.ts';
import { change } from '../services/conversations.ts';
import { logTurn, recordIncident, removeTurns } from '../services/cosmos.ts';
import { settings } from '../services/settings.ts';
import { log } from '../services/telemetry.ts';
import { onWakeUp } from './wake-up.ts';

const DAY = 86_400;

/** Queue `call-log`: writes the answered turns that the call log does not have, idempotently, and marks them. */
export const logTurns = onWakeUp('log', async ({ conversationId }) => {
  const written = new Set<string>();
  const there = await change(conversationId, async (document) => {
    if (!document) return [null, false];
    const turns = conversation.unlogged(document);
    for (const turn of turns) {
      if (written.has(turn.id)) continue;
      await write(document, turn);
      written.add(turn.id);
    }
    const ids = turns.map((turn) => turn.id);
    return [conversation.logged(document, ids, Date.now()), true];
  });
  // Erased meanwhile: what was written a moment ago must not stay behind.
  if (!there) await removeTurns(conversationId, written);
});

async function write(document: Conversation, turn: AnsweredTurn): Promise<void> {
  const ttl = settings().CALL_LOG_DAYS * DAY;
  const { channel } = document;
  await logTurn({
    ...turn,
    logged: true,
    conversationId: document.id,
    channel: channel.kind === 'api' ? 'api' : String(channel.reference.channelId),
    ttl,
  });
  // What alerts and the workbook count (infra/alerts.bicep, infra/workbook.json); no text of the user's.
  log(turn.outcome === 'failed' ? 'error' : 'info', 'turn', {
    conversationId: document.id,
    turnId: turn.id,
    outcome: turn.outcome,
    ms: turn.answeredAt - turn.acceptedAt,
    skill: turn.skill,
    intent: turn.understanding?.intent,
    score: turn.understanding?.score,
    model: turn.understanding?.model.version,
  });
  const reason = turn.outcome === 'failed' ? turn.lastError : turn.deliveryError;
  if (reason === undefined || (turn.outcome !== 'failed' && !turn.deliveryError)) return;
  await recordIncident({
    id: `${document.id}.${turn.id}`,
    kind: turn.outcome === 'failed' ? 'turn_failed' : 'delivery_failed',
    conversationId: document.id,
    turnId: turn.id,
    reason,
    at: turn.answeredAt,
    ttl,
  });
}
