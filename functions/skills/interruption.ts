import type { Question, Skill } from './skill.ts';

/** What stops or holds up a dialog, or asks for its last words again, whatever it is about. */
export const interruption: Skill = {
  name: 'interruption',
  inline: true,
  run(question) {
    const { bot, turn, dialog, last, now } = question;
    const { locale } = turn;
    switch (kindOf(question)) {
      case 'stop':
        return {
          replies: [bot.reply(locale, 'flow_stopped')],
          dialog: { ...dialog, flow: null, paused: [], misses: 0 },
        };
      case 'again':
        return { replies: last, dialog };
      default: {
        const flow = dialog.flow && { ...dialog.flow, updatedAt: now };
        return { replies: [bot.reply(locale, 'flow_waiting')], dialog: { ...dialog, flow, misses: 0 } };
      }
    }
  },
};

/** Whether a turn is one. A flow that waits says its own words again, and where none waits there is nothing to stop. */
export function interrupts(question: Question): boolean {
  return kindOf(question) !== null;
}

function kindOf({ bot, turn, dialog, last }: Question): 'stop' | 'wait' | 'again' | null {
  const answer = bot.shortAnswers.read(turn.text);
  if (dialog.flow) return answer === 'stop' || answer === 'wait' ? answer : null;
  return answer === 'again' && last.length > 0 ? answer : null;
}
