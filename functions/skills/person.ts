import { Rejected } from '../services/failure.ts';
import { NONE, say, shortAnswers } from './content.ts';
import type { Outside, Skill } from './skill.ts';

/** The desk's answers for a ticket that takes nothing more. */
const CLOSED = new Set([404, 409, 410]);

/**
 * Hands the conversation to a person at the service desk, passes on what the user writes while the person has it, and
 * takes it back when the user asks for the bot.
 */
export const person: Skill = {
  name: 'person',
  async run(question, outside) {
    const { conversationId, turn, understanding, dialog, now } = question;
    const { locale } = turn;
    const key = `${conversationId}/${turn.id}`;
    const intent = understanding?.intent ?? NONE;
    const free = { ...dialog, scenario: null, misses: 0 };
    if (dialog.handover) {
      const { ticket } = dialog.handover;
      if (intent === 'back_to_bot' || shortAnswers.read(turn.text) === 'stop') {
        await closeIfOpen(outside, ticket, key);
        return { replies: [{ text: say(locale, 'person_back') }], dialog: { ...free, handover: null } };
      }
      try {
        await outside.shop.addToTicket(ticket, turn.text, key);
      } catch (error) {
        if (!(error instanceof Rejected && CLOSED.has(error.status))) throw error;
        // The desk has closed it: the bot is on its own again.
        const answer = await outside.respond({ ...question, dialog: { ...free, handover: null } });
        return { ...answer, replies: [{ text: say(locale, 'person_closed', { ticket }) }, ...answer.replies] };
      }
      return {
        replies: [{ text: say(locale, 'person_passed_on', { ticket }), suggestions: [say(locale, 'ask_bot')] }],
        dialog: { ...free, handover: { ...dialog.handover, last: now } },
      };
    }
    if (intent === 'back_to_bot') return { replies: [{ text: say(locale, 'person_not_here') }], dialog: free };
    const reason = intent === NONE ? 'not_understood' : intent;
    const ticket = await outside.shop.openTicket(
      { customerId: turn.customerId, conversationId, text: turn.text, reason },
      key,
    );
    const phrase =
      reason === 'complaint' ? 'person_complaint' : reason === 'person' ? 'person_called' : 'person_offered';
    return {
      replies: [{ text: say(locale, phrase, { ticket }), suggestions: [say(locale, 'ask_bot')] }],
      dialog: { ...free, handover: { ticket, since: now } },
    };
  },
};

async function closeIfOpen(outside: Outside, ticket: string, key: string): Promise<void> {
  try {
    await outside.shop.closeTicket(ticket, key);
  } catch (error) {
    if (!(error instanceof Rejected && CLOSED.has(error.status))) throw error;
  }
}
