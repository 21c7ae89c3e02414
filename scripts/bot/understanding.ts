import type { Understanding } from '../../functions/conversation/document.ts';
import type { Bot } from '../../functions/dialog/bot.ts';
import { partsOf, weigh } from '../../functions/dialog/wishes.ts';
import type { openClassifier } from '../train/classifier.ts';

/** What a message means, as the gateway understands it (functions/queues/understand.ts), by a packaged model without its server. */
export async function understandWith(
  classifier: Awaited<ReturnType<typeof openClassifier>>,
  bot: Bot,
  text: string,
): Promise<Understanding> {
  const model = { name: 'intents', version: '' };
  const tapped = bot.tapped(text);
  if (tapped !== null) return { intent: tapped, score: 1, top: [], model };
  const classified = await classifier.classify([text, ...partsOf(bot, text)]);
  const [whole, ...parts] = classified.map(({ label, score, top }) => ({
    intent: label,
    score,
    top: top.map((one) => ({ intent: one.label, score: one.score })),
    model,
  }));
  return weigh(bot, whole!, parts);
}
