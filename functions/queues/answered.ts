import type { Turn } from '../conversation/document.ts';
import { mask } from '../conversation/mask.ts';
import type { Answer } from '../conversation/transitions.ts';
import type { Bot } from '../dialog/bot.ts';
import { settings } from '../services/settings.ts';
import type { Question, Skill, SkillAnswer } from '../skills/skill.ts';

/** A skill's answer to a turn as the transition takes it. */
export function answered(
  skill: Skill,
  { bot, turn, understanding, meant }: Question,
  { replies, dialog }: SkillAnswer,
  timings: Record<string, number>,
): Answer {
  const { name } = skill;
  const content = bot.version;
  return {
    said: said(bot, turn),
    replies,
    dialog,
    skill: name,
    content,
    understanding,
    ...(meant !== undefined && { meant }),
    outcome: 'answered',
    timings,
  };
}

/** What is kept of a turn once it is answered. An attachment's address would open it to whoever reads it. */
export function said(bot: Bot, { text, attachments }: Turn): Answer['said'] {
  const kept = settings().MASK_PERSONAL_DETAILS ? (given: string) => mask(given, bot.personalDetails) : String;
  return {
    text: kept(text),
    attachments: attachments.map(({ name, ...rest }) => ({ ...rest, name: kept(name), url: '' })),
  };
}
