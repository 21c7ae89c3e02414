import { intents } from './content.ts';
import type { Skill } from './skill.ts';

/** Answers an intent with one of its texts. */
export const answer: Skill = {
  name: 'answer',
  inline: true,
  run({ turn, understanding, dialog }) {
    const { locale } = turn;
    const intent = intents.get(understanding?.intent ?? '');
    const texts = intent?.answers?.[locale] ?? [];
    if (!intent || texts.length === 0) throw new Error(`intent "${understanding?.intent}" has no answer in ${locale}`);
    // The turn picks the variant: the same turn, answered again after a crash, says the same.
    const text = texts[variant(turn.id, texts.length)]!;
    const suggestions = intent.suggestions?.[locale] ?? [];
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
