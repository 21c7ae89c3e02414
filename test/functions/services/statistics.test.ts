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

/** Does something once, when the log of an hour has been read and what was counted is not written yet. */
function afterReading(work: () => Promise<void>): () => boolean {
  let done = false;
  database.server().on('request', (request, response) => {
    // The SDK asks twice: the first answer says how the partitions are to be asked.
    const isRead =
      request.url?.includes('/colls/turns/') && request.headers['x-ms-documentdb-partitionkeyrangeid'] !== undefined;
    if (done || !isRead) return;
    done = true;
    const end = response.end.bind(response);
    response.end = ((...given: Parameters<typeof end>) => {
      work().then(() => end(...given));
      return response;
    }) as typeof response.end;
  });
  return () => done;
}

test('what is written while an hour is counted is not lost, also where that was stale already', async () => {
  const { countStatistics, markStale, cellsOf } = await import('../../../functions/services/statistics.ts');
  const at = NOW - 5 * HOUR_MS;
  const { container } = database;
  const id = `hour.${new Date(hourOf(at)).toISOString().slice(0, 13)}`;
  for (const [already, turns] of [
    [false, 1],
    [true, 2],
  ] as const) {
    if (already) await markStale(at, NOW);
    else await container('statistics').item(id, id).delete();
    if (!already) await markStale(at, NOW);
    const wasThere = afterReading(async () => {
      await logged(at);
      await markStale(at, NOW);
    });
    await countStatistics(NOW);
    await countStatistics(NOW);
    assert.ok(wasThere());
    const { resource } = await container('statistics').item(id, id).read();
    assert.equal(resource.staleAt, null);
    assert.equal(total(resource.cells).turns, turns, String(already));
  }
  const day = await cellsOf('2026-11-28', '2026-11-28', ZONE, NOW, NOW);
  assert.equal(day.length, 12, 'as many hours as there were');
});

test('an hour that is over and was never counted is counted by who looks, also where something of it came late', async () => {
  const { cellsOf, markStale } = await import('../../../functions/services/statistics.ts');
  const at = Date.parse('2026-11-29T03:59:50Z');
  await logged(at);
  const now = at + 60_000;
  await markStale(at, now);
  assert.equal(turnsOf(await cellsOf('2026-11-29', '2026-11-29', ZONE, now, now)), 1);
});

test('a day is marked before its hours are counted: a run that ends in between leaves it to the next', async () => {
  const { countStatistics, markStale } = await import('../../../functions/services/statistics.ts');
  const now = Date.parse('2026-11-30T03:00:00Z');
  for (let counted = 1; counted > 0; ) counted = await countStatistics(now);
  const at = Date.parse('2026-11-28T04:00:00Z');
  await logged(at);
  await markStale(at, now);
  let seen: unknown;
  const day = database.container('statistics').item('day.2026-11-28', 'day.2026-11-28');
  const wasThere = afterReading(async () => {
    seen = (await day.read()).resource.staleAt;
  });
  await countStatistics(now);
  assert.ok(wasThere());
  assert.equal(seen, now);
  const { resource } = await day.read();
  assert.equal(resource.staleAt, null);
  // What a run left behind is found by its mark.
  await day.replace({ ...resource, cells: null, staleAt: 1 });
  await countStatistics(now);
  assert.equal(total((await day.read()).resource.cells).turns, total(resource.cells).turns);
});

test('what the log has begun to forget is not counted again', async () => {
  const { markStale } = await import('../../../functions/services/statistics.ts');
  const at = NOW - 89.5 * DAY_MS;
  await markStale(at, NOW);
  const id = `hour.${new Date(hourOf(at)).toISOString().slice(0, 13)}`;
  assert.equal((await database.container('statistics').item(id, id).read()).statusCode, 404);
});

test('where no day was counted, its hours are put together: in another time zone, too', async () => {
  const { cellsOf } = await import('../../../functions/services/statistics.ts');
  const now = Date.parse('2026-11-30T03:00:00Z');
  const seoul = turnsOf(await cellsOf('2026-11-27', '2026-11-29', ZONE, now, now));
  const york = turnsOf(await cellsOf('2026-11-26', '2026-11-29', 'America/New_York', now, now));
  assert.ok(seoul >= 8);
  assert.equal(york, seoul);
});

test('two that count at the same time count the same', async () => {
  const { countStatistics } = await import('../../../functions/services/statistics.ts');
  const at = NOW + 4 * DAY_MS;
  await logged(at);
  const later = at + 2 * HOUR_MS;
  for (let counted = 1; counted > 0; ) counted = await countStatistics(at - HOUR_MS);
  await Promise.all([countStatistics(later), countStatistics(later), countStatistics(later)]);
  const id = `hour.${new Date(hourOf(at)).toISOString().slice(0, 13)}`;
  const { resource } = await database.container('statistics').item(id, id).read();
  assert.equal(total(resource.cells).turns, 1);
});

test('of the week before it is as much as there is of this one', async () => {
  const { cellsOf, countStatistics } = await import('../../../functions/services/statistics.ts');
  const { from } = boundsOf('2026-12-10', ZONE);
  await logged(from + HOUR_MS + 10 * 60_000);
  await logged(from + HOUR_MS + 50 * 60_000);
  const now = from + 7 * DAY_MS + HOUR_MS + 30 * 60_000;
  for (let counted = 1; counted > 0; ) counted = await countStatistics(now);
  const until = now - 7 * DAY_MS;
  assert.equal(
    turnsOf(await cellsOf('2026-12-10', '2026-12-10', ZONE, now, until)),
    1,
    'the second came later that day',
  );
  assert.equal(turnsOf(await cellsOf('2026-12-10', '2026-12-10', ZONE, now, now)), 2);
});
