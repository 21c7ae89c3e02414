import { createHash } from 'node:crypto';
import { NOT } from '../dialog/bot.ts';
import { begin, type Heard, type Play, proceed, stands } from '../dialog/engine.ts';
import { understood } from './intent.ts';
import { callPerson } from './person.ts';
import type { Outside, Question, Skill, SkillAnswer } from './skill.ts';

/** Goes through a flow of the bot: the one that waits, or the one that the intent begins. */
export const flow: Skill = {
  name: 'flow',
  async run(question, outside) {
    const { bot, turn, dialog } = question;
    const heard = heardOf(question);
    const begun = understood(question)?.flow;
    if (!dialog.flow && begun === undefined) throw new Error(`intent "${heard.intent}" begins no flow`);
    // The bot may be another than the one that the turn was understood by.
    if (dialog.flow && !stands(bot, dialog.flow))
      return { replies: [bot.reply(turn.locale, 'flow_stopped')], dialog: { ...dialog, flow: null, misses: 0 } };
    const play = dialog.flow ? proceed(bot, dialog.flow, heard) : begin(bot, begun!, heard);
    return await played(question, outside, play, heard.intent);
  },
};

/** Goes through a flow as far as it goes in this turn: what it calls is called. */
export async function played(
  question: Question,
  outside: Outside,
  play: Play,
  intent: string | null,
): Promise<SkillAnswer> {
  const { bot, conversationId, turn, dialog } = question;
  let next = play.next();
  while (!next.done) {
    const { action, slots, text, locale } = next.value;
    const result = await outside.act(bot, action, {
      slots,
      customerId: turn.customerId,
      conversationId,
      text,
      locale,
      // A second run of this turn does nothing twice; another look of the same turn is another.
      key: `${conversationId}/${turn.id}/${action}/${hash(slots)}`,
    });
    next = play.next(result);
  }
  const { replies, flow: state, handover } = next.value;
  const after = { ...dialog, flow: state, misses: 0 };
  if (!handover) return { replies, dialog: after };
  const called = await callPerson({ ...question, dialog: after }, outside, handover.phrase, intent);
  return { ...called, replies: [...replies, ...called.replies] };
}

function hash(slots: Record<string, string>): string {
  return createHash('sha256').update(JSON.stringify(slots)).digest('base64url').slice(0, 16);
}

/** A turn as the engine hears it. */
export function heardOf(question: Question): Heard {
  const { bot, turn, understanding, now } = question;
  const tapped = bot.tapped(turn.text) !== null;
  return {
    text: turn.text,
    locale: turn.locale,
    intent: understood(question)?.name ?? null,
    score: tapped ? 1 : (understanding?.score ?? 0),
    denies: understanding?.intent === NOT,
    acceptedAt: turn.acceptedAt,
    signedIn: turn.customerId !== null,
    now,
  };
}
