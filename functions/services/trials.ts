import { called, nameOf, type StoredTrial } from '../training/job/trial.ts';
import type { Attempt } from '../training/search/plan.ts';
import { Documents } from './documents.ts';
import { sendTrial } from './queues.ts';

/** Trials of searches (container `trials`, partition key = id). */
export const trials = new Documents<StoredTrial>('trials');

/** More than any search has: of each trial, the parts that it is judged on. */
const LIMIT = 2_000;

/** All of a training job, those that are not made among them. */
export async function readTrials(training: string): Promise<StoredTrial[]> {
  const query = `SELECT TOP ${LIMIT} * FROM c WHERE c.training = @training`;
  return await trials.query(query, [{ name: '@training', value: training }], { limit: LIMIT });
}

/** Calls for a trial, where nobody has. */
export async function callTrial(training: string, attempt: Attempt, now: number): Promise<void> {
  const stored = called(training, attempt, now);
  const isMine = await trials.change<boolean>(stored.id, {
    transition: (known) => (known ? [null, false] : [stored, true]),
  });
  if (isMine) await sendTrial(training, nameOf(attempt));
}
