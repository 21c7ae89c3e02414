import type { Understanding } from '../../functions/conversation/document.ts';
import type { Bot } from '../../functions/dialog/bot.ts';
import { meaningOf } from '../../functions/dialog/meaning.ts';
import type { openClassifier } from '../../functions/training/classifier.ts';

type Classifier = Awaited<ReturnType<typeof openClassifier>>;

/** The packaged models of a bot, without their server. */
export interface OpenModels {
  intents: Classifier;
  /** Null where the bot has no FAQ. */
  faq: Classifier | null;
}

/** What a message means, as the gateway understands it (functions/queues/understand.ts), by packaged models without their server. */
export async function understandWith({ intents, faq }: OpenModels, bot: Bot, text: string): Promise<Understanding> {
  return await meaningOf(bot, text, {
    intents: async (texts) =>
      (await intents.classify(texts)).map(({ label, score, top }) => ({
        intent: label,
        score,
        top: top.map((one) => ({ intent: one.label, score: one.score })),
        model: { name: 'intents', version: '' },
      })),
    faq: async (texts) =>
      (await faq?.classify(texts))?.map(({ label, score, top }) => ({
        entry: label,
        score,
        top: top.map((one) => ({ entry: one.label, score: one.score })),
        model: { name: 'faq', version: '' },
      })) ?? null,
  });
}
