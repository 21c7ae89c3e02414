import type { Skill } from './skill.ts';

/** Says nothing: one of our own desk has the conversation, and reads it there. */
export const listener: Skill = {
  name: 'listener',
  inline: true,
  run: ({ dialog }) => ({ replies: [], dialog, silent: true }),
};
