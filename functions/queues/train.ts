import { constants, setPriority } from 'node:os';
import type { InvocationContext } from '@azure/functions';
import { sendTraining, trainingMessage } from '../services/queues.ts';
import { hop, startTelemetry } from '../services/telemetry.ts';
import { makeOne } from '../training/job/seek.ts';
import { work } from '../training/job/work.ts';

/** Whatever else runs on the machine goes first: a training is in no hurry. Threads have it from whoever began them. */
setPriority(constants.priority.PRIORITY_LOW);

/** Queue `training`: takes a training job as far as it goes, minutes of it, or makes one trial; what has to wait wakes itself. */
export async function train(body: unknown, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  const { training, trial } = trainingMessage.parse(body);
  await hop('training', '', { training, ...(trial && { trial }) }, async () => {
    // A training takes as long as it may by itself: it gets a call of its own.
    if (trial) {
      if (await makeOne(training, trial)) await sendTraining(training);
      return;
    }
    for (;;) {
      const wait = await work(training);
      if (wait === null) return;
      if (wait > 0) return await sendTraining(training, wait);
    }
  });
}
