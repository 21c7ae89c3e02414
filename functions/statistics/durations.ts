/** How long something took, as a histogram whose steps grow by a tenth: a percentile of it is right within 5 %, and two are added. */
const GROWTH = Math.log(1.1);

/** Counts by step. */
export type Durations = Record<string, number>;

/** Milliseconds. */
export function addDuration(durations: Durations, ms: number): void {
  const step = Math.round(Math.log(Math.max(1, ms)) / GROWTH);
  durations[step] = (durations[step] ?? 0) + 1;
}

export function addDurations(durations: Durations, others: Durations): void {
  for (const [step, count] of Object.entries(others)) durations[step] = (durations[step] ?? 0) + count;
}

/** The duration that a share of all stayed within, in milliseconds; null: there are none. */
export function percentileOf(durations: Durations, share: number): number | null {
  const steps = Object.entries(durations).sort(([a], [b]) => Number(a) - Number(b));
  const total = steps.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [step, count] of steps) {
    seen += count;
    if (seen >= share * total) return Math.round(Math.exp(Number(step) * GROWTH));
  }
  return null;
}
