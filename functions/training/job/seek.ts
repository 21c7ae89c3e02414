import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rejected, Unavailable } from '../../services/failure.ts';
import { sendTrial } from '../../services/queues.ts';
import { log } from '../../services/telemetry.ts';
import { readExamples, readTraining, trainings } from '../../services/trainings.ts';
import { callTrial, readTrials, trials } from '../../services/trials.ts';
import { recipe } from '../recipe.ts';
import { attempts, best, expected, type Plan, type Trial } from '../search/plan.ts';
import { choices, settingsOf, varied } from '../search/settings.ts';
import { CLAIM_MS, Lost, patiently, Stopped, whileBeating } from './beat.ts';
import { inThread } from './in-thread.ts';
import { fail, found, SEED, searched, type TrainingJob } from './job.ts';
import {
  documentOf,
  end,
  hold,
  isUnderWay,
  nameOf,
  release,
  type StoredTrial,
  take,
  unheard,
  unmade,
} from './trial.ts';

/**
 * The search of a training job, by as many workers as there are: each makes a trial, looks what may be tried now, and calls for it. Nobody is
 * in charge, and nothing is lost with whoever dies.
 */

/**
 * Sees to it that what may be tried is tried. True: the search has ended, and the job goes on. Repeatable, by several at once. What can't go on
 * fails the job; Unavailable is thrown, and tried again.
 */
export async function seek(job: TrainingJob): Promise<boolean> {
  try {
    return await lookOn(job);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    await failed(job.id, error);
    return false;
  }
}

/** The job has failed, for a reason that will be there again. */
async function failed(id: string, error: unknown): Promise<void> {
  const reason = error instanceof Error ? error.message : String(error);
  log('warn', 'a search did not get on', { id, reason });
  await trainings.change(id, {
    transition: (job) => [job?.state === 'searching' ? fail(job, reason, Date.now()) : null, undefined],
  });
}

async function lookOn(job: TrainingJob): Promise<boolean> {
  const { id, search } = job;
  if (job.state !== 'searching' || !search) return false;
  const present = search.present ?? settingsOf(varied(recipe, (await readExamples(id)).content.recipe ?? {}));
  const plan: Plan = { space: choices, present, seed: SEED, trials: search.trials };
  const known = await readTrials(id);
  const now = Date.now();
  const made = known.flatMap(({ trial }) => trial ?? []);
  const late = now >= search.until!;
  const open = late ? [] : attempts(plan, made);
  await trainings.change(id, {
    transition: (current) => [
      current && searched(current, { done: made.length, expected: expected(plan), present }),
      undefined,
    ],
  });
  const names = new Set(known.map(({ attempt }) => nameOf(attempt)));
  for (const attempt of open) if (!names.has(nameOf(attempt))) await callTrial(id, attempt, now);
  if (!late) for (const one of unheard(known, now)) await callAgain(one, now);
  if (open.length > 0 || isUnderWay(known, now)) return false;
  return await settle(id, made);
}

/** Calls for a trial once more; where somebody else does, or has taken it meanwhile, it is left to them. */
async function callAgain({ id, training, attempt, calledAt }: StoredTrial, now: number): Promise<void> {
  const isMine = await trials.change<boolean>(id, {
    transition: (stored) =>
      stored && !stored.trial && stored.calledAt === calledAt ? [{ ...stored, calledAt: now }, true] : [null, false],
  });
  if (isMine) await sendTrial(training, nameOf(attempt));
}

/** The search has ended: what it has found is trained. */
async function settle(id: string, made: readonly Trial[]): Promise<boolean> {
  const compared = best(made);
  const outcome = compared && {
    settings: compared.better ? compared.after.settings : {},
    before: compared.before.figures!,
    after: compared.after.figures!,
  };
  const settled = await trainings.change<boolean>(id, {
    transition: (job) => (job?.state === 'searching' ? [found(job, outcome, Date.now()), true] : [null, false]),
  });
  if (settled) log('info', 'a search has ended', { id, trials: made.length, settings: outcome?.settings });
  return settled;
}

/** Makes one trial of a search. True: the search has ended with it. May run twice, late and concurrently. */
export async function makeOne(training: string, name: string): Promise<boolean> {
  const by = randomUUID();
  const job = await readTraining(training);
  if (job?.state !== 'searching') return false;
  const taken = await trials.change<StoredTrial | null>(documentOf(training, name), {
    transition: (stored) => {
      const next = stored && take(stored, by, Date.now(), CLAIM_MS);
      return [next, next];
    },
  });
  if (taken && !taken.trial) {
    if (Date.now() >= job.search!.until!) await giveBack(taken.id, by);
    else if (!(await work(taken, by))) return false;
  }
  return await seek((await readTraining(training)) ?? job);
}

/** False: it is not made, and somebody else sees to it. */
async function work({ id, training, attempt }: StoredTrial, by: string): Promise<boolean> {
  let trial: Trial;
  const folder = await mkdtemp(join(tmpdir(), 'maru-trial-'));
  try {
    const { content } = await readExamples(training);
    trial = await whileBeating(
      async () => await look(id, training, by),
      (beat) => inThread({ content, attempt }, folder, beat),
    );
  } catch (error) {
    if (error instanceof Lost) return false;
    if (error instanceof Stopped || error instanceof Unavailable) {
      await patiently(() => giveBack(id, by));
      // The queue tries it again.
      if (error instanceof Unavailable) throw error;
      return false;
    }
    log('warn', 'a trial could not be made', { id, reason: error instanceof Error ? error.message : String(error) });
    // With these settings, or with what it is to learn from: then no trial can.
    if (error instanceof Rejected && attempt.index === 0) {
      await failed(training, error);
      return false;
    }
    trial = unmade(attempt);
  } finally {
    // The thread may be writing its last while it ends.
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  return await patiently(() =>
    trials.change<boolean>(id, {
      transition: (stored) =>
        stored && stored.claim?.by === by && !stored.trial ? [end(stored, by, trial, Date.now()), true] : [null, false],
    }),
  );
}

/** Goes on holding a trial. Throws {@link Lost} where somebody else has it, and {@link Stopped} where the search has ended. */
async function look(id: string, training: string, by: string): Promise<void> {
  const [held, job] = await Promise.all([
    trials.change<boolean>(id, {
      transition: (stored) => {
        const next = stored && hold(stored, by, Date.now(), CLAIM_MS);
        return [next, next !== null];
      },
    }),
    readTraining(training),
  ]);
  if (!held) throw new Lost();
  if (job?.state !== 'searching') throw new Stopped();
}

async function giveBack(id: string, by: string): Promise<void> {
  await trials.change(id, { transition: (stored) => [stored && release(stored, by), undefined] });
}
