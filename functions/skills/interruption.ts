import { say, shortAnswers } from './content.ts';
import type { Skill } from './skill.ts';

/** Ends a scenario whose user has had enough of it, and waits for one who needs a moment. */
export const interruption: Skill = {
  name: 'interruption',
  inline: true,
  continues: ({ turn, dialog }) =>
    dialog.scenario !== null && ['stop', 'wait'].includes(shortAnswers.read(turn.text) ?? ''),
  run({ turn, dialog, now }) {
    const { locale } = turn;
    if (shortAnswers.read(turn.text) === 'stop')
      return { replies: [{ text: say(locale, 'flow_stopped') }], dialog: { ...dialog, scenario: null, misses: 0 } };
    const scenario = dialog.scenario && { ...dialog.scenario, updatedAt: now };
    return { replies: [{ text: say(locale, 'flow_waiting') }], dialog: { ...dialog, scenario, misses: 0 } };
  },
};
