import { randomUUID } from 'node:crypto';
import type { Conversation } from '../conversation/document.ts';
import * as conversation from '../conversation/transitions.ts';
import { attachments } from '../services/blobs.ts';
import { change, notify } from '../services/conversations.ts';
import { shop } from '../services/shop.ts';
import { log } from '../services/telemetry.ts';
import type { Skill } from '../skills/skill.ts';
import { answered } from './answered.ts';
import { failed } from './failed.ts';
import { onWakeUp } from './wake-up.ts';

/** Queue `skill-<name>`: claims the routed turn, lets the skill act on the world outside, and records its answer. */
export function skillWorker(skill: Skill) {
  return onWakeUp(`skill-${skill.name}`, async ({ conversationId }) => {
    const by = randomUUID();
    const claimed = await change<Conversation | null>(conversationId, (document) => {
      const next = document && conversation.claim(document, skill.name, by, Date.now());
      return [next, next];
    });
    if (!claimed) return;
    const finish = await act(skill, claimed, by);
    const wakeUps = await change(conversationId, (document) => {
      const next = document && finish(document);
      return [next, next ? conversation.wakeUps(next, Date.now()) : []];
    });
    await notify(conversationId, wakeUps);
  });
}

/** Runs the skill once, outside of any write, and says how its outcome is recorded. */
async function act(skill: Skill, claimed: Conversation, by: string) {
  const turn = claimed.inbox[0]!;
  const { understanding, timings, since } = claimed.active!;
  const started = Date.now();
  try {
    const question = { conversationId: claimed.id, turn, understanding, dialog: claimed.dialog, now: started };
    const result = await skill.run(question, { shop, attachments });
    const answer = answered(skill, understanding, result, {
      ...timings,
      skillQueue: started - since,
      skill: Date.now() - started,
    });
    return (document: Conversation) => conversation.answer(document, turn.id, by, answer, Date.now());
  } catch (error) {
    log('warn', 'a skill failed; it will be tried again', {
      skill: skill.name,
      conversationId: claimed.id,
      turnId: turn.id,
      error: String(error),
    });
    const failure = failed(claimed, turn, understanding, error);
    return (document: Conversation) => conversation.fail(document, turn.id, by, failure, Date.now());
  }
}
