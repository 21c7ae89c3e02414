import type { Question, Skill } from './skill.ts';

/** What is offered where a conversation with a person has ended. */
export const RATINGS: readonly string[] = ['1', '2', '3', '4', '5'];

/** Whether a turn is what the user thinks of a person's help: what was offered for it, while it is asked for. */
export function rates({ turn, dialog, speaker, now }: Question): boolean {
  const isAsked = dialog.rating !== undefined && dialog.rating > now && !dialog.flow && speaker.kind === 'bot';
  return isAsked && RATINGS.includes(turn.text.trim());
}

/** Keeps it, and says thanks. */
export const rating: Skill = {
  name: 'rating',
  inline: true,
  run({ bot, turn, dialog }) {
    const { rating: _, ...rest } = dialog;
    return {
      replies: [bot.reply(turn.locale, 'desk_rated')],
      dialog: { ...rest, misses: 0 },
      rating: Number(turn.text.trim()),
    };
  },
};
