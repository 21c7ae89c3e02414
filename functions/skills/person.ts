import { localeOf, NONE, say } from './content.ts';
import type { Skill } from './skill.ts';

/**
 * Hands the conversation to a person at the service desk, passes on what the user writes while the person has it, and
 * takes it back when the user asks for the bot.
 */
export const person: Skill = {
  name: 'person',
  async run({ conversationId, turn, understanding, dialog, now }, outside) {
    const locale = localeOf(turn.text, turn.locale);
    const key = `${conversationId}/${turn.id}`;
    const intent = understanding?.intent ?? NONE;
    const free = { ...dialog, scenario: null, misses: 0 };
    if (dialog.handover) {
      const { ticket } = dialog.handover;
      if (intent === 'back_to_bot') {
        await outside.shop.closeTicket(ticket, key);
        return { replies: [{ text: say(locale, 'person_back') }], dialog: { ...free, handover: null } };
      }
      await outside.shop.addToTicket(ticket, turn.text, key);
      return {
        replies: [{ text: say(locale, 'person_passed_on', { ticket }), suggestions: [say(locale, 'ask_bot')] }],
        dialog: free,
      };
    }
    if (intent === 'back_to_bot') return { replies: [{ text: say(locale, 'person_not_here') }], dialog: free };
    const reason = intent === NONE ? 'not_understood' : intent;
    const ticket = await outside.shop.openTicket({ userId: turn.userId, conversationId, text: turn.text, reason }, key);
    const phrase =
      reason === 'complaint' ? 'person_complaint' : reason === 'person' ? 'person_called' : 'person_offered';
    return {
      replies: [{ text: say(locale, phrase, { ticket }), suggestions: [say(locale, 'ask_bot')] }],
      dialog: { ...free, handover: { ticket, since: now } },
    };
  },
};
