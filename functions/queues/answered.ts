import type { Turn } from '../conversation/document.ts';
import { type Answer, isForPerson } from '../conversation/transitions.ts';
import type { Bot } from '../dialog/bot.ts';
import { keptOf } from '../services/bot.ts';
import type { Question, Skill, SkillAnswer } from '../skills/skill.ts';

/** A skill's answer to a turn as the transition takes it. */
export function answered(
  skill: Skill,
  { bot, turn, understanding, meant, speaker: before }: Question,
  { replies, dialog, speaker, callback, rating, silent, notice }: SkillAnswer,
  timings: Record<string, number>,
): Answer {
  const { name } = skill;
  const content = bot.version;
  return {
    // Who is asked to help needs it as it was written, until the bot has the conversation again.
    said: said(bot, turn, isForPerson({ speaker: speaker ?? before }, turn.userId) || callback !== undefined),
    replies,
    dialog,
    skill: name,
    content,
    understanding,
    kept: keptOf(bot),
    ...(meant !== undefined && { meant: keptOf(bot)(meant) }),
    ...(notice && { notice }),
    ...(speaker && { speaker }),
    ...(callback && { callback }),
    ...(rating !== undefined && { rating }),
    ...(silent && { silent }),
    outcome: 'answered',
    timings,
  };
}

/** What is kept of a turn once it is answered. An attachment's address would open it to whoever reads it. */
export function said(bot: Bot, { text, attachments }: Turn, forPerson = false): Answer['said'] {
  const kept = keptOf(bot);
  return {
    text: forPerson ? text : kept(text),
    attachments: attachments.map(({ name, ...rest }) => ({ ...rest, name: kept(name), url: '' })),
  };
}
