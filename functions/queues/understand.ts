import type { Conversation, Turn, Understanding } from '../conversation/document.ts';
import type { ConversationId, TurnId } from '../conversation/identifier.ts';
import * as conversation from '../conversation/transitions.ts';
import type { Bot } from '../dialog/bot.ts';
import { meaningOf } from '../dialog/meaning.ts';
import { currentBot } from '../services/bot.ts';
import { change, notify } from '../services/conversations.ts';
import { Unavailable } from '../services/failure.ts';
import { followRamp, modelsFor } from '../services/ramp.ts';
import { hop, log } from '../services/telemetry.ts';
import { answerBy, choose } from '../skills/choose.ts';
import { answered } from './answered.ts';
import { failed } from './failed.ts';
import { questionOf } from './question.ts';
import { onWakeUp } from './wake-up.ts';

/** Turns of one conversation that one wake-up answers before it lets others of the queue have their turn. */
const TURNS = 25;

/**
 * Queue `turns`: understands the head of the inbox; an inline skill answers here, any other gets the turn by its queue.
 * Goes on with the next turn of the conversation, so that a burst costs one wake-up and not one a turn.
 */
export const understand = onWakeUp('understand', async ({ conversationId, sentAt }) => {
  await followRamp();
  for (let count = 0; count < TURNS; count += 1) {
    const next = await understandHead(conversationId, sentAt);
    if (!next) return;
    const more = conversation.head(next, Date.now()) !== null && count + 1 < TURNS;
    const due = conversation.wakeUps(next, Date.now());
    await notify(conversationId, more ? due.filter(({ queue }) => queue !== 'turns') : due);
    if (!more) return;
  }
});

/** What becomes of a document whose head was understood. */
type Outcome = (document: Conversation) => Conversation | null;

/** The document after its head was answered, routed or failed; null when there is none or another worker was faster. */
async function understandHead(conversationId: ConversationId, sentAt: number): Promise<Conversation | null> {
  // Kept over lost races: the same turn means the same, however often the document changes meanwhile.
  let known: Known | undefined;
  return await change<Conversation | null, Outcome | null>(conversationId, {
    prepare: async (document) => {
      const turn = document && conversation.head(document, Date.now());
      // A race lost to a worker that settled this turn is over: that worker goes on with the next.
      if (!document || !turn || (known && known.turnId !== turn.id)) return null;
      known ??= {
        turnId: turn.id,
        meaning: meaning(currentBot(), document.id, turn, meantForPerson(document, turn)),
      };
      return await outcomeOf(document, turn, known, sentAt);
    },
    transition: (document, outcome) => {
      const next = document && outcome ? outcome(document) : null;
      return [next, next];
    },
  });
}

/** Whether it reaches a person whatever it means. */
function meantForPerson(document: Conversation, turn: Turn): boolean {
  return (
    conversation.isForPerson(document, turn.userId) || conversation.dialogOf(document, turn.userId).handover !== null
  );
}

/** What a turn means, asked once: also a failure counts once, however many races its record loses. */
interface Known {
  turnId: TurnId;
  meaning: Promise<Meaning>;
}

interface Meaning {
  understanding: Understanding | null;
  ms: number;
}

async function outcomeOf(document: Conversation, turn: Turn, known: Known, sentAt: number): Promise<Outcome> {
  const started = Date.now();
  try {
    const { understanding, ms } = await known.meaning;
    const timings = { queue: Math.max(0, started - Math.max(turn.acceptedAt, sentAt)), inference: ms };
    const question = questionOf(currentBot(), document, turn, understanding, Date.now());
    const { skill, dialog } = choose(question);
    if (!skill.inline) {
      const step = { skill: skill.name, understanding, timings };
      return (current) =>
        conversation.route(conversation.withDialog(current, turn.userId, dialog), turn.id, step, Date.now());
    }
    const result = await answerBy(skill, { ...question, dialog }, NO_OUTSIDE);
    const answer = answered(skill, question, result, timings);
    return (current) => conversation.answer(current, turn.id, null, answer, Date.now());
  } catch (error) {
    log('warn', 'a turn was not understood; it will be tried again', {
      conversationId: document.id,
      turnId: turn.id,
      error: String(error),
    });
    const failure = failed(document, turn, null, error);
    return (current) => conversation.fail(current, turn.id, null, failure, Date.now());
  }
}

async function meaning(bot: Bot, conversationId: ConversationId, turn: Turn, withPerson: boolean): Promise<Meaning> {
  if (turn.text === '') return { understanding: null, ms: 0 };
  const models = modelsFor(conversationId);
  const started = performance.now();
  try {
    const meant = await hop('inference', turn.traceparent, {}, () => meaningOf(bot, turn.text, models));
    // What was offered for tapping is known without a model.
    const ramp = meant.model.name === 'content' ? undefined : models.share();
    const understanding = ramp ? { ...meant, ramp } : meant;
    return { understanding, ms: Math.round(performance.now() - started) };
  } catch (error) {
    // What is meant for a person reaches the person, also while nothing can be understood.
    if (withPerson && error instanceof Unavailable) return { understanding: null, ms: 0 };
    throw error;
  }
}

/** An inline skill has nothing outside: reaching for it is a mistake in the skill. */
const NO_OUTSIDE = new Proxy({} as never, {
  get(_, name) {
    throw new Error(`an inline skill may not use ${String(name)}`);
  },
});
