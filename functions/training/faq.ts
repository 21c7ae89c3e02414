import { type Content, utteranceKey } from '../dialog/bot.ts';
import type { RetrievalOptions } from './retrieval/train.ts';

/** What the model of a bot's FAQ is trained on: its entries, and what belongs to the intents or to nothing. */
export function faqOf({ about, faq, intents }: Content): Pick<RetrievalOptions, 'entries' | 'others' | 'refuse'> {
  const entries = faq.map(({ name, question, other_ways, answer }) => ({
    name,
    questions: [...Object.values(question), ...Object.values(other_ways).flat()],
    answers: Object.values(answer),
  }));
  // What no intent answers, and an entry does, may stand in both.
  const own = new Set(entries.flatMap(({ questions }) => questions.map(utteranceKey)));
  const others = intents.flatMap(({ utterances, not = {} }) => [
    ...Object.values(utterances).flat(),
    ...Object.values(not).flat(),
  ]);
  return { refuse: about.faq_refuse, entries, others: others.filter((text) => !own.has(utteranceKey(text))) };
}
