import type { InvocationContext, Timer } from '@azure/functions';
import { idOf, type Release } from '../releases/release.ts';
import { currentBot } from '../services/bot.ts';
import { Unavailable } from '../services/failure.ts';
import { followContent } from '../services/live-content.ts';
import { hasOperators, tellOperators } from '../services/operators.ts';
import { sendRelease, sendTraining } from '../services/queues.ts';
import { releases } from '../services/releases.ts';
import { settings } from '../services/settings.ts';
import { log, startTelemetry } from '../services/telemetry.ts';
import { beginTraining, changesTaught, mendCursor, NotNow, openTrainings, trainings } from '../services/trainings.ts';
import { due, type Rule } from '../training/job/due.ts';
import { fail, move, type State, type TrainingJob, underWay } from '../training/job/job.ts';

/** What operators are told of. */
const TOLD: readonly State[] = ['waiting', 'kept', 'released', 'failed'];
/** How long operators may still hear of what has become of one, in milliseconds. */
const TOLD_MS = 24 * 3_600_000;
/**
 * How long a job has nobody who works on it before it is woken: one whose worker was there and is gone, and one that nobody has taken yet (an
 * app that sleeps takes a while to wake), in milliseconds.
 */
const [GONE_MS, UNTAKEN_MS] = [5_000, 90_000];
/** How long a pushed image may be unknown before its webhook counts as lost, and before it counts as gone, in milliseconds. */
const [UNHEARD_MS, GONE_IMAGE_MS] = [3 * 60_000, 3_600_000];

/**
 * Every half minute: jobs whose wake-up was lost or whose worker died, pushed ones whose release is ready or has failed, and whether enough was
 * taught to train again.
 */
export async function watchTrainings(_timer: Timer, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  if (!settings().TRAINING) return;
  await followContent();
  await mendCursor();
  const jobs = await openTrainings(Date.now() - TOLD_MS);
  for (const job of jobs) {
    const { claim, since, state } = job;
    // A search is nobody's: whoever looks sees which of its trials have lost their workers.
    const isIdle = state === 'searching' || Date.now() > (claim ? claim.until + GONE_MS : since + UNTAKEN_MS);
    if (underWay(job) && isIdle) await sendTraining(job.id);
    if (job.state === 'pushed') await follow(job);
    await tell(job);
  }
  if (jobs.some(underWay)) return;
  await beginWhereDue();
}

/** What has become of the release that a job has pushed. */
async function follow(job: TrainingJob): Promise<void> {
  const release = (await releases.read(idOf(job.digest!)))?.document ?? null;
  const age = Date.now() - job.since;
  const next = release ? afterRelease(release) : age > GONE_IMAGE_MS ? lost : null;
  if (!release && age > UNHEARD_MS && !next)
    await sendRelease({ digest: job.digest!, repository: settings().RELEASE_REPOSITORIES[0]! });
  if (!next) return;
  await trainings.change(job.id, {
    transition: (current) => [current?.state === 'pushed' ? next(current) : null, undefined],
  });
}

const lost = (job: TrainingJob) => fail(job, 'its image was pushed, and never became a release', Date.now());

function afterRelease({ state, reason, steps }: Release): ((job: TrainingJob) => TrainingJob) | null {
  if (steps.some((step) => step.state === 'ready')) return (job) => move(job, 'released', Date.now(), { note: state });
  if (state === 'failed') return (job) => fail(job, reason ?? 'its release failed', Date.now());
  if (state === 'superseded') return (job) => fail(job, 'something else was pushed before it was staged', Date.now());
  return null;
}

/** Operators hear once of what has ended, or waits for somebody; where they can't be reached, at the next look. */
async function tell(job: TrainingJob): Promise<void> {
  const { id, state, models, verdict, reason, version } = job;
  if (!hasOperators() || job.notified === state || !TOLD.includes(state)) return;
  const why = reason ?? verdict?.reasons[0];
  const text = `Training ${version}: ${state}${why ? ` (${why.split('\n')[0]})` : ''}`;
  if (!(await tellOperators({ event: 'training', text, state, id, models, verdict }))) return;
  await trainings.change(id, {
    transition: (now) => [now?.state === state ? { ...now, notified: state } : null, undefined],
  });
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
