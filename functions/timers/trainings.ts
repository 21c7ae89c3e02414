import type { InvocationContext, Timer } from '@azure/functions';
import { idOf, type Release } from '../releases/release.ts';
import { currentBot } from '../services/bot.ts';
import { Unavailable } from '../services/failure.ts';
import { followContent } from '../services/live-content.ts';
import { sendTraining } from '../services/queues.ts';
import { releases } from '../services/releases.ts';
import { settings } from '../services/settings.ts';
import { log, startTelemetry } from '../services/telemetry.ts';
import { beginTraining, changesTaught, listTrainings, mendCursor, NotNow, trainings } from '../services/trainings.ts';
import { due, type Rule } from '../training/job/due.ts';
import { fail, move, type TrainingJob, underWay } from '../training/job/job.ts';

/** Jobs that are looked at. */
const NEWEST = 10;
/** A job that nobody works on for so long has lost its wake-up, in milliseconds. */
const STUCK_MS = 5_000;

/**
 * Every half minute: jobs whose wake-up was lost or whose worker died, pushed ones whose release is ready or has failed, and whether enough was
 * taught to train again.
 */
export async function watchTrainings(_timer: Timer, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  if (!settings().TRAINING) return;
  await followContent();
  await mendCursor();
  const jobs = await listTrainings(NEWEST);
  for (const job of jobs) {
    const idle = Date.now() - Math.max(job.since, job.claim?.until ?? 0);
    if (underWay(job) && idle > STUCK_MS) await sendTraining(job.id);
    if (job.state === 'pushed') await follow(job);
  }
  if (jobs.some(underWay)) return;
  await beginWhereDue();
}

/** What has become of the release that a job has pushed. */
async function follow(job: TrainingJob): Promise<void> {
  const release = (await releases.read(idOf(job.digest!)))?.document;
  const next = release && afterRelease(release);
  if (!next) return;
  await trainings.change(job.id, {
    transition: (current) => [current?.state === 'pushed' ? next(current) : null, undefined],
  });
}

function afterRelease({ state, reason }: Release): ((job: TrainingJob) => TrainingJob) | null {
  if (state === 'failed') return (job) => fail(job, reason ?? 'its release failed', Date.now());
  if (['ready', 'live', 'superseded', 'rolled-back'].includes(state))
    return (job) => move(job, 'released', Date.now(), { note: state });
  return null;
}

async function beginWhereDue(): Promise<void> {
  const { TRAINING_AFTER: after, TRAINING_QUIET_SECONDS: quiet, TRAINING_AT: at } = settings();
  if (after === 0 && at === undefined) return;
  const rule: Rule = { after, quietMs: quiet * 1_000, at, timeZone: currentBot().content.about.time_zone };
  const now = Date.now();
  const why = due(await changesTaught(), rule, now);
  if (why === null) return;
  try {
    const job = await beginTraining(why, null, now);
    log('info', 'a training begins by itself', { id: job.id, why, changes: job.changes });
  } catch (error) {
    if (!(error instanceof NotNow || error instanceof Unavailable)) throw error;
    log('warn', 'a training could not begin', { error: error.message });
  }
}
