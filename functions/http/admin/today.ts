import { currentBot } from '../../services/bot.ts';
import { waitingBefore } from '../../services/conversations.ts';
import { openIncidents } from '../../services/incidents.ts';
import { listReleases } from '../../services/releases.ts';
import { cellsOf, type Period } from '../../services/statistics.ts';
import { boundsOf, DAY_MS, dayOf, plusDays, sameTimeBefore } from '../../statistics/day.ts';
import { percentileOf } from '../../statistics/durations.ts';
import { countPeople } from '../../statistics/people.ts';
import { type Cell, OUTCOMES, total } from '../../statistics/rollup.ts';
import { Problem } from '../problem.ts';
import { json, readQuery, staffRoute } from '../route.ts';
import * as schemas from './schemas.ts';

const DAYS = 92;
const WEEK = 7;
/** Incidents that are counted. */
const INCIDENTS = 100;
const INTENTS = 200;
const RELEASES = 20;

/** GET /api/admin/today */
export const getToday = staffRoute(
  'admin.today',
  {
    summary: 'What happened in a day or in several, beside the week before',
    description:
      'By the business\u2019s own days. Counted by the hour; the running hour is counted when somebody looks. Without a range it is today.',
    query: schemas.todayQuery,
    answers: { 200: { description: 'The figures.', schema: schemas.today } },
    problems: ['invalid_message', 'unavailable'],
  },
  async (request) => {
    const now = Date.now();
    const timeZone = currentBot().content.about.time_zone;
    const today = dayOf(now, timeZone);
    const { from = today, to = from, channel, locale } = readQuery(request, schemas.todayQuery);
    const days = 1 + Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);
    if (days < 1 || days > DAYS) {
      const reason = `must be a range of 1 to ${DAYS} days`;
      throw new Problem('invalid_message', `to: ${reason}.`, { errors: [{ field: 'to', reason }] });
    }
    const shift = -WEEK * Math.ceil(days / WEEK);
    const ends = boundsOf(to, timeZone).to;
    const end = Math.min(now, ends);
    // Of the weeks before as much as there is of these: to their end, or to the same time of the day.
    const endBefore = ends <= now ? boundsOf(plusDays(to, shift), timeZone).to : sameTimeBefore(now, -shift, timeZone);
    const [periods, earlier, waiting, incidents, releases] = await Promise.all([
      cellsOf(from, to, timeZone, now, end),
      cellsOf(plusDays(from, shift), plusDays(to, shift), timeZone, now, endBefore),
      waitingBefore(now),
      openIncidents(now - DAYS * DAY_MS, INCIDENTS),
      listReleases(RELEASES),
    ]);
    const cells = periods.flatMap((period) => period.cells);
    const chosen = (all: Cell[]) =>
      all.filter((cell) => (channel ?? cell.channel) === cell.channel && (locale ?? cell.locale) === cell.locale);
    const sum = total(chosen(cells));
    const before = total(chosen(earlier.flatMap((period) => period.cells)));
    return json(200, {
      now,
      timeZone,
      from,
      to,
      begins: boundsOf(from, timeZone).from,
      ends,
      weeks: -shift / WEEK,
      by: days === 1 ? 'hour' : 'day',
      total: figures(sum),
      before: figures(before),
      series: periods.map(({ at, cells }: Period) => ({ at, ...figures(total(chosen(cells))) })),
      intents: Object.entries(sum.intents)
        .sort(([, a], [, b]) => b - a)
        .slice(0, INTENTS)
        .map(([intent, turns]) => ({ intent, turns, before: before.intents[intent] ?? 0 })),
      hops: Object.entries(sum.hops).map(([hop, durations]) => ({
        hop,
        p50: percentileOf(durations, 0.5)!,
        p95: percentileOf(durations, 0.95)!,
      })),
      models: most(sum.models),
      contents: most(sum.contents),
      channels: [...new Set(cells.map((cell) => cell.channel))].sort(),
      locales: [...new Set(cells.map((cell) => cell.locale))].sort(),
      waiting,
      incidents,
      releases: releases
        .filter(({ state }) => !['superseded', 'failed', 'rolled-back', 'base'].includes(state))
        .map(({ id, state, since, models }) => ({
          id,
          state,
          since,
          models: models.map(({ name, version }) => `${name} ${version}`),
        })),
    });
  },
);

function figures(cell: Cell) {
  const { turns, people, outcomes, feedback, ratings, hops } = cell;
  return {
    turns,
    people: countPeople(people),
    outcomes: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, outcomes[outcome] ?? 0])),
    up: feedback.up,
    down: feedback.down,
    rated: ratings.count,
    stars: ratings.count === 0 ? null : Math.round((10 * ratings.sum) / ratings.count) / 10,
    p50: percentileOf(hops.all ?? {}, 0.5),
    p95: percentileOf(hops.all ?? {}, 0.95),
  };
}

function most(counts: Record<string, number>) {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 10)
    .map(([name, turns]) => ({ name, turns }));
}
