import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Active, Turn } from '../../../functions/conversation/document.ts';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import * as conversation from '../../../functions/conversation/transitions.ts';
import { serveBot } from '../../../functions/services/bot.ts';
import { bot } from '../../bot.ts';

const nowhere = 'http://127.0.0.1:9';
Object.assign(process.env, {
  COSMOS_ENDPOINT: nowhere,
  STORAGE_CONNECTION: 'unused',
  SHOP_URL: nowhere,
  INFERENCE_URL: nowhere,
});

test('a turn that could not reach a person is not offered one, and any other is', async () => {
  serveBot(bot);
  const { failed } = await import('../../../functions/queues/failed.ts');
  const user = userId('api', 'u');
  const turn = { id: turnId('t'), userId: user, text: 'x', attachments: [], locale: 'en' } as unknown as Turn;
  const opened = conversation.open(conversationId('api', 'c'), user, { kind: 'api' }, 'en', 0);
  const suggestions = (skill: string | null) => {
    const active = skill === null ? null : ({ skill } as Active);
    return failed({ ...opened, active }, turn, null, 'down').apology.replies[0]!.suggestions;
  };
  assert.equal(suggestions('person'), undefined);
  assert.deepEqual(suggestions('orders'), ['Talk to a person']);
  assert.deepEqual(suggestions(null), ['Talk to a person']);
  // What a person was not told of is said to who wrote it, though the bot is silent.
  assert.equal(failed({ ...opened, active: null }, turn, null, 'down').apology.notice, undefined);
  const agent = { id: 'hub', name: 'Hana' };
  const speaker = {
    kind: 'person',
    agent,
    since: 0,
    reason: '',
    ticket: '',
    unanswered: null,
    spoke: 0,
    last: 0,
  } as const;
  assert.equal(failed({ ...opened, speaker }, turn, null, 'down').apology.notice, true);
});
