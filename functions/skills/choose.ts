import type { Dialog, Understanding } from '../conversation/document.ts';
import { policy } from '../conversation/policy.ts';
import { intents, NONE } from './content.ts';
import { skillNamed } from './index.ts';
import type { Question, Skill } from './skill.ts';

/** Misunderstood turns in a row before a person is asked. */
const MISSES = 2;

/**
 * Which skill answers a turn, and the dialog it starts from. In this order: images; a person who has the conversation;
 * the scenario in progress where the turn continues it; the intent's skill; otherwise the fallback or, at the second
 * turn in a row that was not understood, a person.
 */
export function choose(question: Question): { skill: Skill; dialog: Dialog } {
  const { turn, understanding, now } = question;
  const dialog = withoutStale(question.dialog, now);
  if (turn.attachments.length > 0) return { skill: skillNamed('images'), dialog };
  if (dialog.handover) return { skill: skillNamed('person'), dialog };

  const owner = dialog.scenario && skillNamed(dialog.scenario.skill);
  if (owner?.continues?.({ ...question, dialog })) return { skill: owner, dialog };

  const skill = ofIntent(understanding);
  // Another wish ends the scenario; what nobody understands goes to the scenario's skill, which asks again.
  if (skill) return { skill, dialog: { ...dialog, scenario: null, misses: 0 } };
  const misses = dialog.misses + 1;
  if (misses >= MISSES) return { skill: skillNamed('person'), dialog: { ...dialog, scenario: null, misses } };
  return { skill: owner ?? skillNamed('fallback'), dialog: { ...dialog, misses } };
}

function ofIntent(understanding: Understanding | null): Skill | null {
  if (!understanding || understanding.intent === NONE) return null;
  const intent = intents.get(understanding.intent);
  // A model may know intents that the content has dropped since.
  return intent ? skillNamed(intent.skill ?? 'answer') : null;
}

function withoutStale(dialog: Dialog, now: number): Dialog {
  const stale = dialog.scenario && now - dialog.scenario.updatedAt > policy.scenarioIdle;
  return stale ? { ...dialog, scenario: null } : dialog;
}
