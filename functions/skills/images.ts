import type { Reply } from '../conversation/document.ts';
import { mask } from '../conversation/mask.ts';
import { isForPerson } from '../conversation/transitions.ts';
import { Rejected } from '../services/failure.ts';
import { understood } from './intent.ts';
import { keepForPerson, passOn, person } from './person.ts';
import type { Outside, Question, Skill } from './skill.ts';

/**
 * Keeps the pictures that a user sends. While a person has the conversation they are passed on, with the text beside
 * them; otherwise that text is answered too, or the bot asks what the pictures are about.
 */
export const images: Skill = {
  name: 'images',
  async run(question, outside) {
    const { bot, turn, dialog } = question;
    const kept = await Promise.all(turn.attachments.map((_, index) => keep(question, outside, index)));
    const tooMany = turn.refused === 'too_many_pictures' ? [bot.reply(turn.locale, 'image_too_many')] : [];
    const replies = [...kept.map(({ reply }) => reply), ...tooMany];
    const alone = { ...question, turn: { ...turn, attachments: [] } };
    // Whoever has the conversation, or will, sees them there.
    if (question.speaker.kind === 'person') {
      const heard = await person.run(alone, outside);
      // What did not get there is said, whoever speaks: it would be taken for read.
      const lost = [...kept.filter(({ url }) => url === '').map(({ reply }) => reply), ...tooMany];
      return lost.length > 0 ? { replies: lost, dialog, notice: true } : heard;
    }
    if (isForPerson(question, turn.userId)) {
      const waiting = await keepForPerson(alone, outside);
      return { ...waiting, replies: [...replies, ...waiting.replies] };
    }
    if (dialog.handover) {
      const lines = [turn.text, ...kept.map(({ url }) => url)].filter(Boolean);
      const passed = await passOn(alone, outside, lines.join('\n'));
      // Where it went on, the pictures' own replies say that they are there.
      return { ...passed, replies: passed.dialog.handover ? replies : [...replies, ...passed.replies] };
    }
    if (turn.text && understood(question)) {
      const answer = await outside.respond(alone);
      return { ...answer, replies: [...replies, ...answer.replies] };
    }
    const suggestions = [...bot.content.about.images, 'ask_person'].map((phrase) => bot.say(turn.locale, phrase));
    const about = bot.reply(turn.locale, 'image_about', {}, suggestions);
    return { replies: [...replies, about], dialog: { ...dialog, misses: 0 } };
  },
};

async function keep(
  { bot, conversationId, turn }: Question,
  outside: Outside,
  index: number,
): Promise<{ reply: Reply; url: string }> {
  const { locale } = turn;
  // The reply is kept: it says no more than what is kept of the turn.
  const name = mask(turn.attachments[index]!.name, bot.personalDetails);
  try {
    const { bytes, url } = await outside.attachments.keep(conversationId, turn, index);
    return { reply: bot.reply(locale, 'image_kept', { name, size: Math.ceil(bytes / 1_024) }), url };
  } catch (error) {
    // What the user can correct is said to the user; everything else is tried again.
    if (!(error instanceof Rejected && error.service === 'attachments')) throw error;
    return { reply: bot.reply(locale, 'image_refused', { name }), url: '' };
  }
}
