import type { Understanding } from '../conversation/document.ts';
import type { Answer } from '../conversation/transitions.ts';
import type { Skill, SkillAnswer } from '../skills/skill.ts';

/** A skill's answer as the transition takes it. */
export function answered(
  skill: Skill,
  understanding: Understanding | null,
  { replies, dialog }: SkillAnswer,
  timings: Record<string, number>,
): Answer {
  return { replies, dialog, skill: skill.name, understanding, outcome: 'answered', timings };
}
