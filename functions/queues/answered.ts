import type { Turn, Understanding } from '../conversation/document.ts';
import { mask } from '../conversation/mask.ts';
import type { Answer } from '../conversation/transitions.ts';
import { settings } from '../services/settings.ts';
import { personalDetails } from '../skills/content.ts';
import type { Skill, SkillAnswer } from '../skills/skill.ts';

/** A skill's answer to a turn as the transition takes it. */
export function answered(
  skill: Skill,
  turn: Turn,
  understanding: Understanding | null,
  { replies, dialog }: SkillAnswer,
  timings: Record<string, number>,
): Answer {
  return { said: said(turn), replies, dialog, skill: skill.name, understanding, outcome: 'answered', timings };
}

/** What is kept of a turn once it is answered. An attachment's address would open it to whoever reads it. */
export function said({ text, attachments }: Turn): Answer['said'] {
  const kept = settings().MASK_PERSONAL_DETAILS ? (given: string) => mask(given, personalDetails) : String;
  return {
    text: kept(text),
    attachments: attachments.map(({ name, ...rest }) => ({ ...rest, name: kept(name), url: '' })),
  };
}
