import { randomUUID } from 'node:crypto';
import type { Conversation } from '../conversation/document.ts';
import { policy } from '../conversation/policy.ts';
import * as conversation from '../conversation/transitions.ts';
import { act as actOn } from '../services/actions.ts';
import { attachments, eraseTurnAttachments } from '../services/blobs.ts';
import { currentBot } from '../services/bot.ts';
import { change, notify, waitingBefore } from '../services/conversations.ts';
import { desk } from '../services/desk.ts';
import { Unavailable } from '../services/failure.ts';
import { tellHub } from '../services/hub.ts';
import { settings } from '../services/settings.ts';
import { hop, log } from '../services/telemetry.ts';
import { answerBy, choose } from '../skills/choose.ts';
import type { Outside, Question, Skill, SkillAnswer } from '../skills/skill.ts';
import { answered } from './answered.ts';
import { failed } from './failed.ts';
import { questionOf } from './question.ts';
import { onWakeUp } from './wake-up.ts';

/** Queue `skill-<name>`: claims the routed turn, lets the skill act on the world outside, and records its answer. */
export function skillWorker(skill: Skill) {
  return onWakeUp(`skill-${skill.name}`, async ({ conversationId }) => {
    const by = randomUUID();
    const claimed = await change<Conversation | null>(conversationId, {
      transition: (document) => {
        const turn = document?.inbox[0];
        if (!document || !turn) return [null, null];
        const { apology } = failed(document, turn, document.active?.understanding ?? null, 'too slow');
        const next = conversation.claim(document, skill.name, by, apology, Date.now());
        return [next, next];
      },
    });
    if (!claimed) return;
    // The claim that ran out was the last: the turn has its apology.
    if (claimed.active?.claim?.by !== by)
      return await notify(conversationId, conversation.wakeUps(claimed, Date.now()));
    const turn = claimed.inbox[0]!;
    const finish = await hop(skill.name, turn.traceparent, { conversationId }, () => act(skill, claimed, by));
    const { wakeUps, erased } = await change<Finished>(conversationId, {
      transition: (document) => {
        const next = document && finish(document);
        return [next, { wakeUps: next ? conversation.wakeUps(next, Date.now()) : [], erased: document === null }];
      },
    });
    // What the skill kept meanwhile; of a group, the erasure itself comes back for it.
    if (erased) await eraseTurnAttachments(conversationId, turn);
    await notify(conversationId, wakeUps);
  });
}

interface Finished {
  wakeUps: conversation.WakeUp[];
  /** The conversation is gone: its user was erased. */
  erased: boolean;
}

/** Runs the skill once, outside of any write, and says how its outcome is recorded. */
async function act(skill: Skill, claimed: Conversation, by: string) {
  const turn = claimed.inbox[0]!;
  const { understanding, timings, since } = claimed.active!;
  const started = Date.now();
  try {
    const question = questionOf(currentBot(), claimed, turn, understanding, started);
    const result = await withDeadline(skill, question);
    const spent = { ...timings, skillQueue: started - since, skill: Date.now() - started };
    const answer = answered(skill, question, result, spent);
    return (document: Conversation) => conversation.answer(document, turn.id, by, answer, Date.now());
  } catch (error) {
    const fields = { skill: skill.name, conversationId: claimed.id, turnId: turn.id, error: String(error) };
    log('warn', 'a skill failed; it will be tried again', fields);
    const failure = failed(claimed, turn, understanding, error);
    return (document: Conversation) => conversation.fail(document, turn.id, by, failure, Date.now());
  }
}

/** What a skill started goes on after its deadline; its keys keep that from happening twice. */
async function withDeadline(skill: Skill, question: Question): Promise<SkillAnswer> {
  const limit = Promise.withResolvers<never>();
  const late = new Unavailable(skill.name, `no answer in ${policy.skillDeadline} ms`);
  const timer = setTimeout(() => limit.reject(late), policy.skillDeadline);
  try {
    return await Promise.race([answerBy(skill, question, outside), limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const outside: Outside = {
  act: actOn,
  get queue() {
    return settings().DESK === 'console' ? { ahead: waitingBefore } : null;
  },
  get hub() {
    const { DESK } = settings();
    return DESK === 'webhook' ? { tell: tellHub } : DESK === 'channel' ? { tell: null } : null;
  },
  desk,
  attachments,
  async respond(question) {
    const { skill, dialog } = choose(question);
    return await answerBy(skill, { ...question, dialog }, outside);
  },
};
