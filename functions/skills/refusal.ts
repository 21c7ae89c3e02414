import type { Skill } from './skill.ts';

/** Says what of a message could not be taken, where it came over a channel that shows nobody why. */
export const refusal: Skill = {
  name: 'refusal',
  inline: true,
  run({ bot, turn, dialog }) {
    return { replies: [bot.reply(turn.locale, 'text_too_long')], dialog, notice: true };
  },
};
