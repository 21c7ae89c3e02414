import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '../../services/failure.ts';
import { log } from '../../services/telemetry.ts';
import type { Loss } from './job.ts';

/** A worker that has said nothing for so long is gone; it says so often how far it is, both in milliseconds. */
export const CLAIM_MS = 20_000;
const BEAT_MS = 2_000;
/** Times that the end of something is tried to be written, a second longer apart each. */
const PATIENCE = 15;

/** Why something ended before its end. */
export class Stopped extends Error {}
/** Somebody else has it now. */
export class Lost extends Error {}

/** What goes on, and how far it is. */
export interface Beat {
  /** Rejects with {@link Lost} or {@link Stopped}, as soon as that is known. */
  over: Promise<never>;
  share: number;
  losses: Loss[];
  /** Looks now, and not when it is time. */
  look(): Promise<void>;
}

/** Looks every two seconds whether something may go on while it does. `look` throws {@link Lost} and {@link Stopped}. */
export async function whileBeating<T>(
  look: (beat: Beat) => Promise<void>,
  work: (beat: Beat) => Promise<T>,
): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  // Nobody may be listening just then.
  over.catch(() => undefined);
  const once = async () => {
    await look(beat).catch((error) => {
      if (!(error instanceof Lost || error instanceof Stopped)) throw error;
      reject(error);
    });
  };
  const beat: Beat = { over, share: 0, losses: [], look: once };
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    // One at a time, however long it takes.
    looking ??= once()
      .catch((error) => log('warn', 'how far a training is was not noted', { error: String(error) }))
      .finally(() => {
        looking = null;
      });
  }, BEAT_MS);
  try {
    return await Promise.race([work(beat), over]);
  } finally {
    clearInterval(timer);
    await looking;
  }
}

/** What a worker has found out took minutes: a database that is away for a while must not cost it. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unavailable) || attempt === PATIENCE) throw error;
      await sleep(1_000 * attempt);
    }
  }
}
