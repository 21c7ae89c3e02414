import type { Dialog, Understanding } from '../conversation/document.ts';
import { policy } from '../conversation/policy.ts';
import { intents, NONE } from './content.ts';
import { skillNamed } from './index.ts';
import type { Outside, Question, Skill, SkillAnswer } from './skill.ts';

/** Misunderstood turns in a row before a person is asked. */
const MISSES = 2;

/**
 * Which skill answers a turn, and the dialog it starts from. In this order: images; a person who has the conversation; who stops
 * the scenario in progress or wants a moment; that scenario where the turn continues it; the intent's skill; otherwise the scenario,
 * which asks again, the fallback or, at the second turn in a row that was not understood, a person.
 */
export function choose(question: Question): { skill: Skill; dialog: Dialog } {
  const { turn, understanding, now } = question;
  const dialog = withoutStale(question.dialog, now);
  if (turn.attachments.length > 0) return { skill: skillNamed('images'), dialog };
  if (dialog.handover) return { skill: skillNamed('person'), dialog };

  const interruption = skillNamed('interruption');
  if (interruption.continues?.({ ...question, dialog })) return { skill: interruption, dialog };
  const owner = dialog.scenario && skillNamed(dialog.scenario.skill);
  if (owner?.continues?.({ ...question, dialog })) return { skill: owner, dialog };

  const skill = ofIntent(understanding);
  // Another wish of the same kind, or for a person, ends the scenario; any other is answered, and the scenario goes on.
  if (skill) {
    const ends = skill === owner || skill.name === 'person';
    return { skill, dialog: { ...dialog, scenario: ends ? null : dialog.scenario, misses: 0 } };
  }
  // What nobody understands goes to the scenario's skill, which asks again.
  if (owner) return { skill: owner, dialog };
  const misses = dialog.misses + 1;
  return { skill: skillNamed(misses >= MISSES ? 'person' : 'fallback'), dialog: { ...dialog, misses } };
}

/** A skill's answer, with what brings the user back to a scenario of another skill that goes on. */
export async function answerBy(skill: Skill, question: Question, outside: Outside): Promise<SkillAnswer> {
  const answer = await skill.run(question, outside);
  const { scenario } = answer.dialog;
  if (!scenario || scenario.skill === skill.name || scenario !== question.dialog.scenario) return answer;
  const { now } = question;
  const dialog = { ...answer.dialog, scenario: { ...scenario, updatedAt: now } };
  const back = skillNamed(scenario.skill).resume?.({ ...question, dialog }) ?? null;
  return { replies: back ? [...answer.replies, back] : answer.replies, dialog };
}

function ofIntent(understanding: Understanding | null): Skill | null {
  if (!understanding || understanding.intent === NONE) return null;
  const intent = intents.get(understanding.intent);
  // A model may know intents that the content has dropped since.
  return intent ? skillNamed(intent.skill ?? 'answer') : null;
}

function withoutStale(dialog: Dialog, now: number): Dialog {
  const { scenario, handover } = dialog;
  const forgotten = scenario && now - scenario.updatedAt > policy.scenarioIdle;
  const over = handover && now - (handover.last ?? handover.since) > policy.handoverIdle;
  if (!forgotten && !over) return dialog;
  return { ...dialog, scenario: forgotten ? null : scenario, handover: over ? null : handover };
}
