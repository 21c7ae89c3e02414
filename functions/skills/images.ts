import type { Reply } from '../conversation/document.ts';
import { mask } from '../conversation/mask.ts';
import { Rejected } from '../services/failure.ts';
import { NONE, personalDetails, say } from './content.ts';
import type { Outside, Question, Skill } from './skill.ts';

/**
 * Keeps the pictures that a user sends. While a person has the conversation they are passed on, with the text beside
 * them; otherwise that text is answered too, or the bot asks what the pictures are about.
 */
export const images: Skill = {
  name: 'images',
  async run(question, outside) {
    const { conversationId, turn, dialog, understanding } = question;
    const kept = await Promise.all(turn.attachments.map((_, index) => keep(question, outside, index)));
    const replies = kept.map(({ reply }) => reply);
    const next = { ...dialog, misses: 0 };
    if (dialog.handover) {
      const lines = [turn.text, ...kept.map(({ url }) => url)].filter(Boolean);
      await outside.shop.addToTicket(dialog.handover.ticket, lines.join('\n'), `${conversationId}/${turn.id}`);
      return { replies, dialog: next };
    }
    if (turn.text && understanding && understanding.intent !== NONE) {
      const answer = await outside.respond({ ...question, turn: { ...turn, attachments: [] } });
      return { replies: [...replies, ...answer.replies], dialog: answer.dialog };
    }
    return { replies: [...replies, about(turn.locale)], dialog: next };
  },
};

async function keep(
  { conversationId, turn }: Question,
  outside: Outside,
  index: number,
): Promise<{ reply: Reply; url: string }> {
  const { locale } = turn;
  // The reply is kept: it says no more than what is kept of the turn.
  const name = mask(turn.attachments[index]!.name, personalDetails);
  try {
    const { bytes, url } = await outside.attachments.keep(conversationId, turn, index);
    return { reply: { text: say(locale, 'image_kept', { name, size: Math.ceil(bytes / 1_024) }) }, url };
  } catch (error) {
    // What the user can correct is said to the user; everything else is tried again.
    if (!(error instanceof Rejected && error.service === 'attachments')) throw error;
    return { reply: { text: say(locale, 'image_refused', { name }) }, url: '' };
  }
}

function about(locale: 'en' | 'ko'): Reply {
  const suggestions = [say(locale, 'about_damaged'), say(locale, 'about_return'), say(locale, 'ask_person')];
  return { text: say(locale, 'image_about'), suggestions };
}
