import type { InvocationContext, Timer } from '@azure/functions';
import { watchRamp } from '../releases/ramping.ts';
import { startTelemetry } from '../services/telemetry.ts';

/** Every ten seconds: what a ramp that is under way has shown, and whether it goes on, back to nobody, or waits. */
export async function lookAtRamp(_timer: Timer, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  await watchRamp();
}
