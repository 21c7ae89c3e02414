import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { ensureIntentModel } from '../../../scripts/local/intent-model.ts';
import { openClassifier } from '../../../scripts/train/classifier.ts';
import { Shopper } from '../skills/talk.ts';

/**
 * The stories of functions/bot/stories: what a customer says, understood by the bot's own model, and what must come of it. A
 * service desk adds one without code: a JSON file, or an entry of one.
 */
const root = join(import.meta.dirname, '../../..');
const stories = z.array(
  z.strictObject({
    story: z.string().min(1),
    steps: z
      .array(
        z.strictObject({
          user: z.string(),
          /** Parts of the bot's replies, and what must be in none of them. */
          says: z.array(z.string()).default([]),
          not: z.array(z.string()).default([]),
          /** Orders that the shop has cancelled by then. */
          cancelled: z.array(z.string()).optional(),
        }),
      )
      .min(1),
  }),
);

let classifier: Awaited<ReturnType<typeof openClassifier>>;
before(async () => {
  const repository = await ensureIntentModel(join(root, '.local/models'), () => {});
  const { versions } = JSON.parse(readFileSync(join(repository, 'intents/config.json'), 'utf8'));
  const folder = join(repository, 'intents', versions.only[0]);
  classifier = await openClassifier(folder, JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')));
});
after(() => classifier?.close());

for (const file of globSync('functions/bot/stories/*.json', { cwd: root }).sort())
  for (const { story, steps } of stories.parse(JSON.parse(readFileSync(join(root, file), 'utf8'))))
    test(`${file.split('/').at(-1)}: ${story}`, async () => {
      const talk = new Shopper();
      for (const { user, says, not, cancelled } of steps) {
        const [heard] = await classifier.classify([user]);
        const { text } = await talk.say(user, heard!.label);
        const told = `“${user}” (${heard!.label} ${heard!.score.toFixed(2)}) → “${text}”`;
        for (const part of says) assert.ok(text.includes(part), `${told} lacks “${part}”`);
        for (const part of not) assert.ok(!text.includes(part), `${told} has “${part}”`);
        if (cancelled) assert.deepEqual(talk.cancelled, cancelled, told);
      }
    });
