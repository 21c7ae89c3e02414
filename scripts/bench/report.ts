import { cpus, totalmem } from 'node:os';

/** The value below which a share of the numbers lies (nearest rank); NaN for none. */
export function percentile(numbers: number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The machine, the Node version and the date, as one line. */
export function machine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${cpu?.model.trim() ?? 'CPU'}, ${memory} GiB, ${process.platform}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`;
}
