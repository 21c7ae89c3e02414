import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { boundsOf, DAY_MS, HOUR_MS, hourOf } from '../../../functions/statistics/day.ts';
import { countPeople } from '../../../functions/statistics/people.ts';
import { total } from '../../../functions/statistics/rollup.ts';
import { useDatabase } from '../database.ts';

const database = useDatabase();
const ZONE = 'Asia/Seoul';
/** Noon of a day there. */
const NOW = Date.parse('2026-11-28T03:00:00Z');

let serial = 0;
async function logged(answeredAt: number, more: object = {}): Promise<void> {
  serial += 1;
  const { logTurn } = await import('../../../functions/services/call-log.ts');
  await logTurn({
    id: turnId(`t${serial}`),
    givenId: `t${serial}`,
    conversationId: conversationId('api', `c${serial % 3}`),
    channel: 'api',
    userId: userId('api', `u${serial % 3}`),
    customerId: null,
    text: 'hello',
    attachments: [],
    locale: 'en',
    fingerprint: '',
    traceparent: '',
    acceptedAt: answeredAt - 50,
    attempts: 0,
    retryAt: 0,
    answeredAt,
    ordinal: serial,
    replies: [],
    outcome: 'answered',
    skill: 'answer',
    understanding: null,
    logged: true,
    deliveredAt: null,
    timings: {},
    ...more,
  });
}

const turnsOf = (periods: { cells: Parameters<typeof total>[0] }[]) =>
  total(periods.flatMap(({ cells }) => [...cells])).turns;

test('hours and days are counted once, and again when something comes later; the running hour is counted when somebody looks', async () => {
  const { cellsOf, countStatistics, markStale } = await import('../../../functions/services/statistics.ts');
  const yesterday = NOW - DAY_MS;
  for (const at of [yesterday, yesterday + 1_000, yesterday + HOUR_MS, NOW - 2 * HOUR_MS, NOW + 60_000])
    await logged(at);
  const later = NOW + 120_000;
  const today = () => cellsOf('2026-11-28', '2026-11-28', ZONE, later, later);
  assert.equal(turnsOf(await today()), 2, 'before anything was counted, what is recent is there');

  assert.equal(
    await countStatistics(later),
    24,
    'from the first turn that was ever logged to the last hour that is over',
  );
  assert.equal(await countStatistics(later), 0, 'nothing is left');
  const days = await cellsOf('2026-11-27', '2026-11-28', ZONE, later, later);
  assert.deepEqual(
    days.map(({ cells }) => total(cells).turns),
    [3, 2],
  );
  assert.equal(countPeople(total(days[0]!.cells).people), 3);
  const { container } = database;
  const stored = async () =>
    (await container('statistics').items.query('SELECT VALUE c.id FROM c WHERE c.dayAt > 0').fetchAll()).resources;
  assert.deepEqual(await stored(), ['day.2026-11-27'], 'a day that goes on is not counted as a whole');

  // A worker that was away logs late; a customer rates the next morning.
  await logged(yesterday + 2_000);
  await markStale(yesterday + 2_000, later);
  assert.equal(await countStatistics(later), 1);
  assert.deepEqual(
    (await cellsOf('2026-11-27', '2026-11-28', ZONE, later, later)).map(({ cells }) => total(cells).turns),
    [4, 2],
  );
  await markStale(NOW + 60_000, later);
  assert.equal(await countStatistics(later), 0, 'the running hour is not counted yet');
});

test('what is written while an hour is counted is not lost', async () => {
  const { countStatistics, markStale, cellsOf } = await import('../../../functions/services/statistics.ts');
  const at = NOW - 5 * HOUR_MS;
  const { container } = database;
  const id = `hour.${new Date(hourOf(at)).toISOString().slice(0, 13)}`;
  await markStale(at, NOW);
  // Between what the count reads and what it writes, somebody says that it is stale once more.
  let between = true;
  database.server().on('request', (request) => {
    if (!between || request.headers['x-ms-documentdb-isquery'] === undefined || !request.url?.includes('/colls/turns/'))
      return;
    between = false;
    void logged(at).then(() => markStale(at, NOW));
  });
  await countStatistics(NOW);
  await countStatistics(NOW);
  const { resource } = await container('statistics').item(id, id).read();
  assert.equal(resource.staleAt, null);
  assert.equal(total(resource.cells).turns, 1);
  const day = await cellsOf('2026-11-28', '2026-11-28', ZONE, NOW, NOW);
  assert.equal(day.length, 12, 'as many hours as there were');
});

test('two that count at the same time count the same', async () => {
  const { countStatistics } = await import('../../../functions/services/statistics.ts');
  const at = NOW + 3 * HOUR_MS;
  await logged(at);
  const later = at + 2 * HOUR_MS;
  await Promise.all([countStatistics(later), countStatistics(later), countStatistics(later)]);
  const id = `hour.${new Date(hourOf(at)).toISOString().slice(0, 13)}`;
  const { resource } = await database.container('statistics').item(id, id).read();
  assert.equal(total(resource.cells).turns, 1);
});

test('of the week before it is as much as there is of this one', async () => {
  const { cellsOf, countStatistics } = await import('../../../functions/services/statistics.ts');
  const { from } = boundsOf('2026-12-03', ZONE);
  await logged(from + HOUR_MS + 10 * 60_000);
  await logged(from + HOUR_MS + 50 * 60_000);
  const now = from + 7 * DAY_MS + HOUR_MS + 30 * 60_000;
  for (let counted = 1; counted > 0; ) counted = await countStatistics(now);
  const until = now - 7 * DAY_MS;
  assert.equal(
    turnsOf(await cellsOf('2026-12-03', '2026-12-03', ZONE, now, until)),
    1,
    'the second came later that day',
  );
  assert.equal(turnsOf(await cellsOf('2026-12-03', '2026-12-03', ZONE, now, now)), 2);
});
