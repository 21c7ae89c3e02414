import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bot } from '../../bot.ts';
import { useDatabase } from '../database.ts';

/** Pictures that anybody may try: what they cost the model server has a limit of its own. */
useDatabase({ RATE_PICTURES: '2' });

test('all together may try so many a minute; a bot without a model of pictures asks nobody', async () => {
  const { install } = await import('../../../scripts/local/functions-core.ts');
  install();
  const { callRoute } = await import('./call.ts');
  const { serveBot } = await import('../../../functions/services/bot.ts');
  const { Bot } = await import('../../../functions/dialog/bot.ts');
  const look = async () =>
    (await callRoute('picture-look', 'http://app/api/pictures', { method: 'POST', body: { a: 'picture' } })).status;
  const { pictures: _, ...about } = bot.content.about;
  serveBot(new Bot({ ...bot.content, about }));
  assert.equal(await look(), 404);
  serveBot(bot);
  // There is no model server here.
  assert.deepEqual([await look(), await look()], [503, 503]);
  assert.deepEqual([await look(), await look()], [429, 429]);
});
