import { timeOf } from '../../statistics/day.ts';
import type { Why } from './job.ts';

/** When a training begins by itself. */
export interface Rule {
  /** So many changes; 0: never for that. */
  after: number;
  /** So long nothing must have been taught, in milliseconds: ten edits are one training. */
  quietMs: number;
  /** A time of day, `HH:MM` in the bot's time zone, at which whatever was taught is enough. */
  at: string | undefined;
  timeZone: string;
}

/** Why it is time to train; null: it is not. Pure. */
export function due(
  taught: { changes: number; changedAt: number; lastAt: number },
  { after, quietMs, at, timeZone }: Rule,
  now: number,
): Why | null {
  // One that has failed is not begun again and again: only when something more was taught.
  if (taught.changes === 0 || taught.changedAt <= taught.lastAt || now - taught.changedAt < quietMs) return null;
  if (after > 0 && taught.changes >= after) return 'changes';
  if (at === undefined) return null;
  // Once a day: the moment of today is over, and no job was made since.
  return timeOf(now, timeZone) >= at && taught.lastAt < now - sinceTime(now, at, timeZone) ? 'time' : null;
}

/** Milliseconds since a time of this day. */
function sinceTime(now: number, at: string, timeZone: string): number {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  return (minutes(timeOf(now, timeZone)) - minutes(at)) * 60_000 + (now % 60_000);
}
