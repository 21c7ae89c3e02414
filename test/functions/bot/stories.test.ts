import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { type Clinic, startLocal } from '../../../examples/clinic/local.ts';
import { Bot } from '../../../functions/dialog/bot.ts';
import { act } from '../../../functions/services/actions.ts';
import type { Act } from '../../../functions/skills/skill.ts';
import { botFolder } from '../../../scripts/bot/folder.ts';
import { understandWith } from '../../../scripts/bot/understanding.ts';
import { ensureBotModels, openBotModels } from '../../../scripts/local/bot-models.ts';
import { bot } from '../../bot.ts';
import { Shopper, Talk } from '../skills/talk.ts';

/**
 * The stories of a bot's folder: what a customer says, understood by the bot's own model, and what must come of it. A service desk
 * adds one without code: a JSON file in `stories/`, or an entry of one.
 */
const root = join(import.meta.dirname, '../../..');
const stories = z.array(
  z.strictObject({
    story: z.string().min(1),
    steps: z
      .array(
        z.strictObject({
          user: z.string(),
          /** Parts of the bot's replies and of what they offer to tap, and what must be in none of them. */
          says: z.array(z.string()).default([]),
          not: z.array(z.string()).default([]),
          /** What was done by then that has an effect: the action, and what was collected. */
          done: z.array(z.string()).optional(),
        }),
      )
      .min(1),
  }),
);

const clinic = new Bot(botFolder(join(root, 'examples/clinic')));
let local: Clinic;
/** Its actions, over HTTP. */
const overHttp: Record<string, Act> = Object.fromEntries(
  Object.keys(clinic.content.actions).map((name) => [name, (request) => act(clinic, name, request)]),
);
after(() => local?.close());

const bots = [
  { folder: 'functions/bot', models: '.local/models', start: async () => new Shopper(bot) as Talk },
  {
    folder: 'examples/clinic',
    models: '.local/bots/clinic/models',
    start: async () => {
      await local?.close();
      local = await startLocal();
      Object.assign(process.env, local.settings);
      return new Talk(clinic, overHttp);
    },
  },
];

for (const { folder, models, start } of bots)
  describe(folder, () => {
    let opened: Awaited<ReturnType<typeof openBotModels>>;
    before(async () => {
      const repository = await ensureBotModels(join(root, models), () => {}, join(root, folder));
      opened = await openBotModels(repository);
    });
    after(() => opened?.close());

    for (const file of globSync(`${folder}/stories/*.json`, { cwd: root }).sort())
      for (const { story, steps } of stories.parse(JSON.parse(readFileSync(join(root, file), 'utf8'))))
        test(`${basename(file)}: ${story}`, async () => {
          const talk = await start();
          for (const { user, says, not, done } of steps) {
            const heard = await understandWith(opened, talk.bot, user);
            const { replies } = await talk.hear(user, heard);
            const text = replies.map((reply) => [reply.text, ...(reply.suggestions ?? [])].join(' ')).join(' ');
            const told = `“${user}” (${heard.intent} ${heard.score.toFixed(2)}) → “${text}”`;
            for (const part of says) assert.ok(text.includes(part), `${told} lacks “${part}”`);
            for (const part of not) assert.ok(!text.includes(part), `${told} has “${part}”`);
            if (done) assert.deepEqual(talk.done, done, told);
          }
        });
  });
