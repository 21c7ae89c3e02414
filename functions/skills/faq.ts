import type { Skill } from './skill.ts';

/** Answers with an entry of the FAQ. */
export const faq: Skill = {
  name: 'faq',
  inline: true,
  run({ bot, turn: { locale }, understanding, dialog }) {
    const entry = bot.faq.get(understanding?.faq?.entry ?? '');
    const text = bot.of(locale, entry?.answer);
    if (!entry || text === undefined) throw new Error(`the FAQ has no entry "${understanding?.faq?.entry}"`);
    const next = bot.of(locale, entry.suggestions) ?? [];
    return {
      replies: [next.length > 0 ? { text, suggestions: next } : { text }],
      dialog: { ...dialog, misses: 0 },
    };
  },
};
