import type { AnsweredTurn, Conversation } from '../conversation/document.ts';
import type { TurnId } from '../conversation/identifier.ts';
import * as conversation from '../conversation/transitions.ts';
import { currentBot, keptOf } from '../services/bot.ts';
import { logTurn, removeTurns } from '../services/call-log.ts';
import { change } from '../services/conversations.ts';
import { recordIncident } from '../services/incidents.ts';
import { markStale } from '../services/statistics.ts';
import { log } from '../services/telemetry.ts';
import { onWakeUp } from './wake-up.ts';

/** Queue `call-log`: writes the answered turns that the call log does not have, idempotently, and marks them. */
export const logTurns = onWakeUp('log', async ({ conversationId }) => {
  const written = new Set<TurnId>();
  const there = await change<boolean, AnsweredTurn[]>(conversationId, {
    prepare: async (document) => {
      const turns = document ? conversation.unlogged(document) : [];
      for (const turn of turns) {
        if (written.has(turn.id)) continue;
        await write(document!, turn);
        written.add(turn.id);
      }
      return turns;
    },
    transition: (document, turns) => {
      if (!document) return [null, false];
      const ids = turns.map((turn) => turn.id);
      return [conversation.logged(document, ids, Date.now()), true];
    },
  });
  // Erased meanwhile: what was written a moment ago must not stay behind. Of a document that is there, a turn may be gone because
  // another worker logged it first; what of a group was erased, the erasure itself comes back for.
  if (!there) await removeTurns(conversationId, written);
});

/** Without personal details, whoever wrote them; and without addresses that open a picture. */
function asKept({ text, replies, by }: AnsweredTurn): Pick<AnsweredTurn, 'text' | 'replies'> {
  const keep = keptOf(currentBot());
  const said = replies.map(({ picture, ...reply }) => ({
    ...reply,
    text: by ? keep(reply.text) : reply.text,
    ...(picture && { picture: { ...picture, name: keep(picture.name), url: '' } }),
  }));
  return { text: keep(text), replies: said };
}

async function write(document: Conversation, { sender: _, ...turn }: AnsweredTurn): Promise<void> {
  const { channel } = document;
  const isNew = await logTurn({
    ...turn,
    // While a person has the conversation, the document has it as it was written.
    ...asKept(turn),
    logged: true,
    conversationId: document.id,
    channel: channel.kind === 'api' ? 'api' : String(channel.reference.channelId),
  });
  await markStale(turn.answeredAt, Date.now());
  // What alerts and the workbook count (infra/alerts.bicep, infra/workbook.json); no text of the user's.
  // Words that answer no turn are none: they would hide how long turns take.
  if (isNew && turn.givenId !== '')
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
    userId: turn.userId,
    reason,
    acceptedAt: turn.acceptedAt,
    at: turn.answeredAt,
  });
}
