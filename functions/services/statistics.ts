import { boundsOf, DAY_MS, dayOf, HOUR_MS, hourOf, plusDays } from '../statistics/day.ts';
import { type Cell, rollUp, together } from '../statistics/rollup.ts';
import { currentBot } from './bot.ts';
import { countedTurns, firstLogged } from './call-log.ts';
import { Documents } from './documents.ts';
import { settings } from './settings.ts';

/** What happened in an hour or a day (container `statistics`, partition key = id): counted from the call log, and as often as needed. */
interface Statistics {
  /** `hour.2026-11-28T03` (UTC), `day.2026-11-28` (the business's). */
  id: string;
  /** When the hour begins, or the day: each has one of the two. */
  hourAt?: number;
  dayAt?: number;
  /** Null: it was never counted. */
  cells: Cell[] | null;
  /** Something of it was written or rated after it was counted; null: it stands. */
  staleAt: number | null;
}

/** Up to which hour everything has been counted once. */
interface Progress {
  id: 'progress';
  through: number;
}

const documents = new Documents<Statistics>('statistics');
const progress = new Documents<Progress>('statistics');

/** Hours of one run: a log that nobody has counted yet takes several. */
const HOURS = 100;
const STALE = 200;
/** Turns of an hour that are counted: far more than 20,000 a day bring. */
const TURNS = 50_000;
/** How long the running hour may be as it was, in milliseconds: everybody who looks shares it. */
const FRESH = 10_000;
const REMEMBERED = 8;
/** What is younger may not be counted yet, in milliseconds: the timer may be late. */
const RECENT = 3 * HOUR_MS;
/** An hour is counted so long after its end, when what was answered in it is in the log; what comes later makes it stale. */
const SETTLED = 60_000;

const hourId = (at: number): string => `hour.${new Date(at).toISOString().slice(0, 13)}`;
const dayId = (day: string): string => `day.${day}`;

/**
 * Counts what has not been counted, and what is stale. May be repeated, and run twice at once: each hour is counted from the log, and written
 * only if nobody has changed it meanwhile. The number of hours that were counted.
 */
export async function countStatistics(now: number): Promise<number> {
  const current = await progress.read('progress');
  const first = current ? current.document.through : await firstLogged();
  const hours = new Set<number>();
  const last = hourOf(now - SETTLED);
  let next = first === null ? last : hourOf(first);
  while (next < last && hours.size < HOURS) {
    hours.add(next);
    next += HOUR_MS;
  }
  const stale = await staleOnes();
  for (const { hourAt } of stale) if (hourAt !== undefined && hourAt < last) hours.add(hourAt);
  const timeZone = currentBot().content.about.time_zone;
  // Before its hours are counted: a run that ends in between leaves a day that the next one finds.
  const days = new Set([...hours].map((at) => dayOf(at, timeZone)).filter((day) => isOver(day, timeZone, now)));
  for (const day of days) await mark(dayId(day), { dayAt: boundsOf(day, timeZone).from }, now);
  for (const { dayAt } of stale) if (dayAt !== undefined) days.add(dayOf(dayAt, timeZone));
  for (const at of hours) await countHour(at);
  for (const day of days) await countDay(day, timeZone);
  await progress.change('progress', {
    transition: (document) => [{ id: 'progress', through: Math.max(next, document?.through ?? 0) }, undefined],
  });
  return hours.size;
}

/** Something of a time that may be counted already was written just now. */
export async function markStale(at: number, now: number): Promise<void> {
  const hour = hourOf(at);
  if (hour >= hourOf(now)) return;
  // Where the log has begun to forget, what was counted is all that is known.
  if (hour < now - (settings().CALL_LOG_DAYS - 1) * DAY_MS) return;
  await mark(hourId(hour), { hourAt: hour }, now);
}

/**
 * Written also where it is marked already, or was never counted: whoever counts it right now may have read the log before this was
 * written, and must find another version.
 */
async function mark(id: string, begins: Pick<Statistics, 'hourAt' | 'dayAt'>, now: number): Promise<void> {
  await documents.change(id, {
    transition: (document) => [{ ...(document ?? { id, ...begins, cells: null }), staleAt: now }, undefined],
  });
}

type Begin = Pick<Statistics, 'hourAt' | 'dayAt'>;

async function staleOnes(): Promise<Begin[]> {
  const query = `SELECT TOP ${STALE} c.hourAt, c.dayAt FROM c WHERE c.staleAt > 0 ORDER BY c.staleAt`;
  return await documents.query<Begin>(query, [], { limit: STALE });
}

const isOver = (day: string, timeZone: string, now: number): boolean => boundsOf(day, timeZone).to <= now - SETTLED;

async function countHour(at: number): Promise<void> {
  await documents.change<undefined, Cell[]>(hourId(at), {
    // After it was read: what is written from here on makes it stale again, or this write is refused.
    prepare: async () => rollUp(await countedTurns(at, at + HOUR_MS, TURNS)),
    transition: (_, cells) => [{ id: hourId(at), hourAt: at, cells, staleAt: null }, undefined],
  });
}

/** A day that is over, of its hours. */
async function countDay(day: string, timeZone: string): Promise<void> {
  const { from, to } = boundsOf(day, timeZone);
  await documents.change<undefined, Cell[]>(dayId(day), {
    prepare: async () => together((await hoursBetween(from, to)).flatMap(({ cells }) => cells ?? [])),
    transition: (_, cells) => [{ id: dayId(day), dayAt: from, cells, staleAt: null }, undefined],
  });
}

/** The hours that begin within a time, in order; those without any turn may be missing. */
async function hoursBetween(from: number, to: number): Promise<Statistics[]> {
  const limit = Math.ceil((to - from) / HOUR_MS);
  const query = `SELECT TOP ${limit} * FROM c WHERE c.hourAt >= @from AND c.hourAt < @to ORDER BY c.hourAt`;
  return await documents.query(query, bounds(from, to), { limit });
}

/** The days that begin within a time, in order, and are over. */
async function daysBetween(from: number, to: number): Promise<Statistics[]> {
  const limit = Math.ceil((to - from) / DAY_MS) + 1;
  const query = `SELECT TOP ${limit} * FROM c WHERE c.dayAt >= @from AND c.dayAt < @to ORDER BY c.dayAt`;
  return await documents.query(query, bounds(from, to), { limit });
}

const bounds = (from: number, to: number) => [
  { name: '@from', value: from },
  { name: '@to', value: to },
];

/** What happened in an hour or a day. */
export interface Period {
  at: number;
  cells: Cell[];
}

/**
 * What happened from one day to another, until `end`: of one day by the hour, of several by the day. What is not counted yet (the running
 * hour, and for minutes the one before) is counted now.
 */
export async function cellsOf(from: string, to: string, timeZone: string, now: number, end: number): Promise<Period[]> {
  if (from === to) return await hoursOf(boundsOf(from, timeZone), now, end);
  const counted = await daysBetween(boundsOf(from, timeZone).from, boundsOf(to, timeZone).to);
  const periods: Period[] = [];
  /** Days behind each other that are not counted as a whole, or not over within the time: they are put together of their hours. */
  let open: { at: number; to: number }[] = [];
  const close = async () => {
    const [first, last] = [open[0], open.at(-1)];
    if (!first || !last) return;
    const hours = await hoursOf({ from: first.at, to: last.to }, now, end);
    for (const { at, to } of open) {
      const own = hours.filter((hour) => hour.at >= at && hour.at < to);
      periods.push({ at, cells: together(own.flatMap(({ cells }) => cells)) });
    }
    open = [];
  };
  for (let day = from; day <= to; day = plusDays(day, 1)) {
    const bounds = boundsOf(day, timeZone);
    if (bounds.from > end) break;
    const known = counted.find(({ dayAt }) => dayAt === bounds.from)?.cells;
    if (known && bounds.to <= end) {
      await close();
      periods.push({ at: bounds.from, cells: known });
    } else open.push({ at: bounds.from, to: bounds.to });
  }
  await close();
  return periods;
}

async function hoursOf({ from, to }: { from: number; to: number }, now: number, end: number): Promise<Period[]> {
  const counted = new Map((await hoursBetween(from, to)).map(({ hourAt, cells }) => [hourAt!, cells]));
  const periods: Period[] = [];
  for (let at = from; at < Math.min(to, end); at += HOUR_MS) {
    const isCut = at + HOUR_MS > end;
    const known = counted.get(at) ?? null;
    const isUncounted = known === null && now - at < RECENT;
    const cells =
      isCut && end < now ? await cut(at, end) : isCut || isUncounted ? await runningHour(at, now) : (known ?? []);
    periods.push({ at, cells });
  }
  return periods;
}

/** Part of an hour that is long over: of the week before, as far as this one has come. */
async function cut(at: number, end: number): Promise<Cell[]> {
  // To the minute, so that everybody who looks in one minute shares it.
  const to = Math.floor(end / 60_000) * 60_000;
  return await remembered(`${at}-${to}`, () => countedTurns(at, to, TURNS).then(rollUp));
}

/** An hour that is not counted yet, as the log has it now. */
async function runningHour(at: number, now: number): Promise<Cell[]> {
  return await remembered(`${at}-${Math.floor(now / FRESH)}`, () => countedTurns(at, at + HOUR_MS, TURNS).then(rollUp));
}

const memory = new Map<string, Promise<Cell[]>>();

/** What was just counted; the oldest is forgotten. */
async function remembered(key: string, count: () => Promise<Cell[]>): Promise<Cell[]> {
  const known = memory.get(key);
  if (known) return await known;
  const cells = count();
  memory.set(key, cells);
  cells.catch(() => memory.delete(key));
  for (const old of [...memory.keys()].slice(0, -REMEMBERED)) memory.delete(old);
  return await cells;
}
