/** Days as the business counts them: by its time zone (bot.json). */
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export const hourOf = (at: number): number => Math.floor(at / HOUR_MS) * HOUR_MS;

/** The day that a moment is in, as `2026-11-28`. */
export function dayOf(at: number, timeZone: string): string {
  // Made once a zone: that takes longer than all it is asked for a page.
  const known =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat('sv-SE', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  formats.set(timeZone, known);
  return known.format(at);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The time of day there, as `09:30`. */
export function timeOf(at: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, hour: '2-digit', minute: '2-digit' }).format(at);
}

/** When a day begins and ends there, in milliseconds since the epoch; on a whole hour, as statistics are by the hour. */
export function boundsOf(day: string, timeZone: string): { from: number; to: number } {
  const from = beginOf(day, timeZone);
  return { from, to: beginOf(plusDays(day, 1), timeZone) };
}

/** The same moment of the day some days before, where that day is as long. */
export function sameTimeBefore(at: number, days: number, timeZone: string): number {
  const day = dayOf(at, timeZone);
  return beginOf(plusDays(day, -days), timeZone) + (at - beginOf(day, timeZone));
}

export function plusDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

function beginOf(day: string, timeZone: string): number {
  // From before any zone's beginning of that day on, the first hour that is in it.
  const start = Date.parse(`${day}T00:00:00Z`) - 14 * HOUR_MS;
  for (let at = start; ; at += HOUR_MS) if (dayOf(at, timeZone) >= day) return at;
}
