import type { InvocationContext, Timer } from '@azure/functions';
import { followContent } from '../services/live-content.ts';
import { countStatistics } from '../services/statistics.ts';
import { log, startTelemetry } from '../services/telemetry.ts';

/** How long one run goes on: the next begins five minutes after it. */
const BUDGET_MS = 60_000;

/** Every five minutes, a minute after the hour first: counts the hours and days that are over, and those of which something came later. */
export async function countAll(_timer: Timer, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  await followContent();
  const started = Date.now();
  let counted = 0;
  for (;;) {
    const hours = await countStatistics(Date.now());
    counted += hours;
    if (hours === 0 || Date.now() - started > BUDGET_MS) break;
  }
  if (counted > 0) log('info', 'counted statistics', { hours: counted });
}
