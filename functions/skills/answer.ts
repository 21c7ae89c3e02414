import { understood } from './intent.ts';
import type { Skill } from './skill.ts';

/** Answers an intent with one of its texts. */
export const answer: Skill = {
  name: 'answer',
  inline: true,
  run(question) {
    const { bot, turn, understanding, dialog } = question;
    const intent = understood(question);
    const texts = bot.of(turn.locale, intent?.answers) ?? [];
    if (texts.length === 0) throw new Error(`intent "${understanding?.intent}" has no answer in ${turn.locale}`);
    // The turn picks the variant: the same turn, answered again after a crash, says the same.
    const text = texts[variant(turn.id, texts.length)]!;
    const suggestions = bot.of(turn.locale, intent?.suggestions) ?? [];
    return {
      replies: [{ text, ...(suggestions.length > 0 ? { suggestions } : {}) }],
      dialog: { ...dialog, misses: 0 },
    };
  },
};

function variant(id: string, count: number): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return hash % count;
}
