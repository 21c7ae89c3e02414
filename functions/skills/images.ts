import type { Reply } from '../conversation/document.ts';
import { Rejected } from '../services/failure.ts';
import { localeOf, say } from './content.ts';
import type { Skill } from './skill.ts';

/** Keeps the pictures that a user sends and, while a person has the conversation, passes them on. */
export const images: Skill = {
  name: 'images',
  async run({ conversationId, turn, dialog }, outside) {
    const locale = localeOf(turn.text, turn.locale);
    const replies: Reply[] = [];
    for (const [index, attachment] of turn.attachments.entries()) {
      try {
        const kept = await outside.attachments.keep(turn, index);
        replies.push({ text: say(locale, 'image_kept', { name: kept.name, size: Math.ceil(kept.bytes / 1_024) }) });
        if (dialog.handover)
          await outside.shop.addToTicket(dialog.handover.ticket, kept.url, `${conversationId}/${turn.id}/${index}`);
      } catch (error) {
        // What the user can correct is said to the user; everything else is tried again.
        if (!(error instanceof Rejected && error.service === 'attachments')) throw error;
        replies.push({ text: say(locale, 'image_refused', { name: attachment.name }) });
      }
    }
    return { replies: [...replies, ...question(dialog.handover !== null, locale)], dialog: { ...dialog, misses: 0 } };
  },
};

function question(withPerson: boolean, locale: 'en' | 'ko'): Reply[] {
  if (withPerson) return [];
  return [
    {
      text: say(locale, 'image_about'),
      suggestions: [say(locale, 'about_damaged'), say(locale, 'about_return'), say(locale, 'ask_person')],
    },
  ];
}
