import type { Dialog, Reply } from '../conversation/document.ts';
import type { FlowState } from '../conversation/flow.ts';
import { policy } from '../conversation/policy.ts';
import { isForPerson } from '../conversation/transitions.ts';
import { type Bot, FAQ, type Intent, NOT } from '../dialog/bot.ts';
import { ASIDE, answers, comeBack, confirms, stands } from '../dialog/engine.ts';
import { answerOf } from './answer.ts';
import { closeCalls } from './close-call.ts';
import { heardOf } from './flow.ts';
import { skillNamed } from './index.ts';
import { understood } from './intent.ts';
import { interrupts } from './interruption.ts';
import { rates } from './rating.ts';
import type { Outside, Question, Skill, SkillAnswer } from './skill.ts';

/** Misunderstood turns in a row before a person is asked. */
const MISSES = 2;
/** Flows that wait for others to end. */
const PAUSED = 3;

/**
 * Which skill answers a turn, and the dialog it starts from. In this order: images; a person who has the conversation; who stops
 * the flow that waits, wants a moment or the last words again; that flow where the turn answers it; the intent's skill; otherwise
 * the flow, which asks again, the fallback or, at the second turn in a row that was not understood, a person.
 */
export function choose(question: Question): { skill: Skill; dialog: Dialog } {
  const { bot, turn, now } = question;
  const dialog = withoutStale(bot, question.dialog, now);
  const current = { ...question, dialog };
  if (turn.attachments.length > 0) return { skill: skillNamed('images'), dialog };
  if (turn.refused) return { skill: skillNamed('refusal'), dialog };
  if (rates(current)) return { skill: skillNamed('rating'), dialog };
  const { speaker } = question;
  if (speaker.kind === 'person' && !speaker.agent.elsewhere) return { skill: skillNamed('listener'), dialog };
  if (dialog.handover || isForPerson(question, turn.userId)) return { skill: skillNamed('person'), dialog };
  if (interrupts(current)) return { skill: skillNamed('interruption'), dialog };
  if (dialog.flow && answers(bot, dialog.flow, heardOf(current))) return { skill: skillNamed('flow'), dialog };

  const intent = understood(question);
  // A bare yes or no is for whoever has asked, also where it answers nothing.
  // An answer that nobody foresaw may look like a question of the FAQ: what is not sure is asked again.
  if (dialog.flow && intent?.name === FAQ && question.understanding!.score < ASIDE)
    return { skill: skillNamed('flow'), dialog };
  if (dialog.flow && (intent?.is === 'yes' || intent?.is === 'no')) return { skill: skillNamed('flow'), dialog };
  if (intent) return ofIntent(intent, { ...dialog, misses: 0 });
  // What nobody understands goes to the flow that waits: it asks again.
  if (dialog.flow) return { skill: skillNamed('flow'), dialog };
  // Who says what is not wanted was understood.
  if (question.understanding?.intent === NOT)
    return { skill: skillNamed('fallback'), dialog: { ...dialog, misses: 0 } };
  const misses = dialog.misses + 1;
  return { skill: skillNamed(misses >= MISSES ? 'person' : 'fallback'), dialog: { ...dialog, misses } };
}

/**
 * A wish for a person ends what was open. Another flow puts it off, and the same one begins anew; anything else is answered beside
 * it.
 */
function ofIntent({ name, flow, handover, is }: Intent, dialog: Dialog): { skill: Skill; dialog: Dialog } {
  if (handover || is === 'bot') return { skill: skillNamed('person'), dialog: { ...dialog, flow: null, paused: [] } };
  if (name === FAQ) return { skill: skillNamed('faq'), dialog };
  if (flow === undefined) return { skill: skillNamed('answer'), dialog };
  const open = [dialog.flow, ...dialog.paused].filter((one) => one !== null && one.flow !== flow) as FlowState[];
  return { skill: skillNamed('flow'), dialog: { ...dialog, flow: null, paused: open.slice(0, PAUSED) } };
}

/** A skill's answer, with what brings the user back to a flow that goes on. */
export async function answerBy(skill: Skill, question: Question, outside: Outside): Promise<SkillAnswer> {
  const answer = await skill.run(question, outside);
  const { dialog } = answer;
  const said = withOthers(skill, question, answer.replies);
  const beside = dialog.flow !== null && dialog.flow === question.dialog.flow && skill.name !== 'interruption';
  const [before = null, ...older] = dialog.paused;
  const going = beside ? dialog.flow : dialog.flow === null && !dialog.handover ? before : null;
  if (!going) return { ...answer, replies: withCloseCalls(skill, question, said, dialog) };
  const back: Reply = comeBack(question.bot, going, heardOf(question));
  // It is asked anew: what was written before is no answer to it.
  const flow = { ...going, updatedAt: question.now, askedAt: question.now };
  return { ...answer, replies: [...said, back], dialog: { ...dialog, flow, paused: beside ? dialog.paused : older } };
}

/**
 * The replies with those to the other wishes of a message: what can be said at once stands before what the first one asks, and
 * what needs a flow of its own is offered.
 */
function withOthers(skill: Skill, question: Question, replies: Reply[]): Reply[] {
  const { bot, turn, understanding } = question;
  const [first, ...others] = (understanding?.wishes ?? []).filter(({ negated }) => !negated);
  if (others.length === 0 || first?.intent !== understanding?.intent || !OF_INTENTS.has(skill.name)) return replies;
  const said: Reply[] = [];
  const offered: string[] = [];
  for (const { intent: name, entry } of others) {
    const answer = bot.of(turn.locale, bot.faq.get(entry ?? '')?.answer);
    if (answer !== undefined) said.push({ text: answer });
    const intent = bot.intents.get(name);
    if (!intent) continue;
    const utterance = bot.of(turn.locale, intent.utterances)?.[0];
    if (intent.answers && intent.flow === undefined && !intent.handover) said.push(answerOf(bot, turn, intent));
    else if (utterance !== undefined) offered.push(utterance);
  }
  const own = skill.name === 'answer' ? [...replies, ...said] : [...said, ...replies];
  if (offered.length === 0) return own;
  return [...own, bot.reply(turn.locale, 'also', {}, offered)];
}

/**
 * The replies, and what else may have been meant: asked by itself, or, where a flow was begun and has its own question, among what may be
 * tapped. Nothing where the turn answered a flow, or beside a question whose answer is final.
 */
function withCloseCalls(skill: Skill, question: Question, replies: Reply[], after: Dialog): Reply[] {
  if (skill.name === 'flow' && (question.dialog.flow !== null || (after.flow && confirms(question.bot, after.flow))))
    return replies;
  const { bot, turn } = question;
  const others =
    OF_INTENTS.has(skill.name) || skill.name === 'faq' ? closeCalls({ ...question, locale: turn.locale }) : [];
  const last = replies.at(-1);
  if (others.length === 0 || !last) return replies;
  // Channels show the buttons of the last reply alone.
  const suggestions = last.suggestions ?? [];
  if (skill.name === 'flow') return [...replies.slice(0, -1), { ...last, suggestions: [...suggestions, ...others] }];
  return [...replies, bot.reply(turn.locale, 'did_you_mean', {}, [...others, ...suggestions])];
}

/** Skills that answer an intent: only there a message is more than an answer to what was asked. */
const OF_INTENTS = new Set(['answer', 'flow']);

/** The dialog without what nobody went on with, and without a flow that the bot no longer has. */
function withoutStale(bot: Bot, dialog: Dialog, now: number): Dialog {
  const { handover } = dialog;
  const kept = (flow: FlowState) => now - flow.updatedAt <= policy.flowIdle && stands(bot, flow);
  const [flow = null, ...paused] = [dialog.flow, ...dialog.paused].filter(
    (one) => one !== null && kept(one),
  ) as FlowState[];
  const over = handover && now - (handover.last ?? handover.since) > policy.handoverIdle;
  return { ...dialog, flow, paused, handover: over ? null : handover };
}
