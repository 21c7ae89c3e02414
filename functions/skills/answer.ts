import type { Reply, Turn } from '../conversation/document.ts';
import type { Bot, Intent } from '../dialog/bot.ts';
import { understood } from './intent.ts';
import type { Skill } from './skill.ts';

/** Answers an intent with one of its texts. */
export const answer: Skill = {
  name: 'answer',
  inline: true,
  run(question) {
    const { bot, turn, understanding, dialog } = question;
    const intent = understood(question);
    if (!intent) throw new Error(`there is no intent "${understanding?.intent}"`);
    return { replies: [answerOf(bot, turn, intent)], dialog: { ...dialog, misses: 0 } };
  },
};

/** One of the texts of an intent, and what may be tapped next. */
export function answerOf(bot: Bot, { id, locale }: Turn, { name, answers, suggestions }: Intent): Reply {
  const texts = bot.of(locale, answers) ?? [];
  if (texts.length === 0) throw new Error(`intent "${name}" has no answer in ${locale}`);
  // The turn picks the variant: the same turn, answered again after a crash, says the same.
  const text = texts[variant(id, texts.length)]!;
  const next = bot.of(locale, suggestions) ?? [];
  return next.length > 0 ? { text, suggestions: next } : { text };
}

function variant(id: string, count: number): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return hash % count;
}
