import type { Conversation, Turn, Understanding } from '../conversation/document.ts';
import * as conversation from '../conversation/transitions.ts';
import { change, notify } from '../services/conversations.ts';
import * as inference from '../services/inference.ts';
import { log } from '../services/telemetry.ts';
import { choose } from '../skills/choose.ts';
import { answered } from './answered.ts';
import { failed } from './failed.ts';
import { onWakeUp } from './wake-up.ts';

/** Queue `turns`: understands the head of the inbox; an inline skill answers here, any other gets the turn by its queue. */
export const understand = onWakeUp('understand', async ({ conversationId, sentAt }) => {
  // Kept over lost races: the same turn means the same, however often the document changes meanwhile.
  const known = new Map<string, { understanding: Understanding | null; ms: number }>();
  const wakeUps = await change(conversationId, async (document) => {
    const turn = document && conversation.head(document, Date.now());
    if (!document || !turn) return [null, []];
    const next = await step(document, turn, known, sentAt);
    return [next, next ? conversation.wakeUps(next, Date.now()) : []];
  });
  await notify(conversationId, wakeUps);
});

async function step(
  document: Conversation,
  turn: Turn,
  known: Map<string, { understanding: Understanding | null; ms: number }>,
  sentAt: number,
): Promise<Conversation | null> {
  const started = Date.now();
  try {
    const found = known.get(turn.id) ?? (await meaning(turn));
    known.set(turn.id, found);
    const { understanding, ms } = found;
    const timings = { queue: Math.max(0, started - Math.max(turn.acceptedAt, sentAt)), inference: ms };
    const question = { conversationId: document.id, turn, understanding, dialog: document.dialog, now: Date.now() };
    const { skill, dialog } = choose(question);
    if (!skill.inline)
      return conversation.route(
        { ...document, dialog },
        turn.id,
        { skill: skill.name, understanding, timings },
        Date.now(),
      );
    const result = await skill.run({ ...question, dialog }, NO_OUTSIDE);
    return conversation.answer(document, turn.id, null, answered(skill, understanding, result, timings), Date.now());
  } catch (error) {
    log('warn', 'a turn was not understood; it will be tried again', {
      conversationId: document.id,
      turnId: turn.id,
      error: String(error),
    });
    return conversation.fail(document, turn.id, null, failed(document, turn, null, error), Date.now());
  }
}

async function meaning(turn: Turn): Promise<{ understanding: Understanding | null; ms: number }> {
  if (turn.attachments.length > 0) return { understanding: null, ms: 0 };
  const started = performance.now();
  const understanding = await inference.understand(turn.text);
  return { understanding, ms: Math.round(performance.now() - started) };
}

/** An inline skill has nothing outside: reaching for it is a mistake in the skill. */
const NO_OUTSIDE = new Proxy({} as never, {
  get(_, name) {
    throw new Error(`an inline skill may not use ${String(name)}`);
  },
});
