import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversationId, type TurnId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import type { LoggedTurn } from '../../../functions/services/call-log.ts';
import type { Place, Search } from '../../../functions/services/log-search.ts';
import { useDatabase } from '../database.ts';

const database = useDatabase();
const DAY = 86_400_000;
const NOW = Date.parse('2026-11-28T03:00:00Z');

const turn = (key: string, answeredAt: number, more: Partial<LoggedTurn> = {}): LoggedTurn => ({
  id: turnId(key),
  givenId: key,
  conversationId: conversationId('api', key),
  channel: 'api',
  userId: userId('api', 'u'),
  customerId: null,
  text: 'Where is my order?',
  attachments: [],
  locale: 'en',
  fingerprint: '',
  traceparent: '',
  acceptedAt: answeredAt,
  attempts: 0,
  retryAt: 0,
  answeredAt,
  ordinal: 1,
  replies: [],
  outcome: 'answered',
  skill: 'answer',
  understanding: { intent: 'order_status', score: 0.9, top: [], model: { name: 'intents', version: '1.0.0' } },
  logged: true,
  deliveredAt: null,
  timings: {},
  ...more,
});

async function found(search: Partial<Search>, limit = 50): Promise<TurnId[]> {
  const { searchTurns } = await import('../../../functions/services/log-search.ts');
  const ids: TurnId[] = [];
  let place: Place | null = null;
  do {
    const page: Awaited<ReturnType<typeof searchTurns>> = await searchTurns(
      { from: NOW - 90 * DAY, to: NOW + 1, ...search },
      place,
      limit,
    );
    assert.ok(page.turns.length <= limit);
    ids.push(...page.turns.map(({ id }) => id));
    place = page.next;
  } while (place);
  return ids;
}

test('each filter finds what it says, and all of it, page by page, also where many were answered at one moment', async () => {
  const container = database.container('turns');
  const put = (one: LoggedTurn) => container.items.create(one);
  for (let at = 0; at < 45; at += 1) await put(turn(`many-${at}`, NOW - 3 * DAY - (at % 3)));
  await put(turn('old', NOW - 80 * DAY, { text: 'A gift card for 할머니' }));
  await put(turn('ko', NOW - DAY, { locale: 'ko', text: '환불해 주세요', channel: 'directline' }));
  await put(
    turn('missed', NOW - DAY - 1, {
      skill: 'fallback',
      understanding: { intent: 'none', score: 0.3, top: [], model: { name: 'intents', version: '1.1.0' } },
    }),
  );
  await put(turn('handed', NOW - DAY - 2, { skill: 'person', handover: 'person' }));
  await put(turn('person', NOW - DAY - 3, { skill: 'listener' }));
  await put(turn('failed', NOW - DAY - 4, { outcome: 'failed', skill: 'apology' }));
  await put(turn('rated', NOW - DAY - 5, { feedback: { rating: 'down', at: 1 }, label: 'coupons' }));
  await put(turn('staff', NOW - DAY - 6, { by: { id: 'mina', name: 'Mina' }, text: '' }));
  await put(turn('itself', NOW - DAY - 7, { givenId: '' }));

  const all = await found({}, 7);
  assert.equal(all.length, 52, 'neither the staff\u2019s words nor what the bot says by itself');
  assert.equal(new Set(all).size, 52, 'none twice');
  const ids = (...keys: string[]) => keys.map((key) => turnId(key));
  assert.deepEqual(await found({ text: '할머니' }), ids('old'));
  assert.deepEqual(await found({ text: 'GIFT CARD' }), ids('old'));
  assert.deepEqual(await found({ locale: 'ko' }), ids('ko'));
  assert.deepEqual(await found({ channel: 'directline' }), ids('ko'));
  assert.deepEqual(await found({ intent: 'none' }), ids('missed'));
  assert.deepEqual(await found({ maxScore: 0.5 }), ids('missed'));
  assert.deepEqual(await found({ minScore: 0.2, maxScore: 0.5, model: '1.1.0' }), ids('missed'));
  assert.deepEqual(await found({ feedback: 'down' }), ids('rated'));
  assert.deepEqual(await found({ label: 'coupons' }), ids('rated'));
  assert.deepEqual(await found({ outcome: 'not_understood' }), ids('missed'));
  assert.deepEqual(await found({ outcome: 'handed_over' }), ids('handed'));
  assert.deepEqual(await found({ outcome: 'person' }), ids('person'));
  assert.deepEqual(await found({ outcome: 'failed' }), ids('failed'));
  assert.equal((await found({ outcome: 'answered' })).length, 48);
  assert.deepEqual(await found({ to: NOW - 79 * DAY }), ids('old'));
  assert.deepEqual(await found({ from: NOW - DAY }), ids('ko'));
  assert.deepEqual(await found({ text: "' OR true --" }), []);
});
