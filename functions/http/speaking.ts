import type { HttpResponseInit } from '@azure/functions';
import type { Conversation } from '../conversation/document.ts';
import type { ConversationId } from '../conversation/identifier.ts';
import type * as speaker from '../conversation/speaker.ts';
import { wakeUps } from '../conversation/transitions.ts';
import { currentBot, keptOf } from '../services/bot.ts';
import { change, notify } from '../services/conversations.ts';
import { Problem } from './problem.ts';

/** One step of who speaks, whoever asks for it: a guarded write, and the words that go with it on their way. Throws problems. */
export async function speak(
  id: ConversationId,
  transition: (document: Conversation) => speaker.Outcome,
): Promise<HttpResponseInit> {
  const outcome = await change<speaker.Outcome>(id, {
    transition: (document) => {
      if (!document) return [null, { kind: 'gone' }];
      const made = transition(document);
      return [made.kind === 'done' ? made.document : null, made];
    },
  });
  switch (outcome.kind) {
    case 'gone':
      throw new Problem('not_found', 'There is no such conversation, or its user was erased.');
    case 'busy':
      throw new Problem('busy', undefined, { headers: { 'retry-after': '2' } });
    case 'taken':
    case 'not_yours':
      throw new Problem(outcome.kind);
    default:
      await notify(id, wakeUps(outcome.document, Date.now()));
      return { status: 204 };
  }
}

/** What the bot says for somebody of the staff, in the language of the conversation. */
export function words(
  { locale }: Conversation,
  phrase: string,
  { name }: { name: string },
  suggestions: readonly string[] = [],
): speaker.Words {
  const bot = currentBot();
  return { replies: [bot.reply(locale, phrase, { name }, suggestions)], kept: keptOf(bot) };
}
