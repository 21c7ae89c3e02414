import { constants, setPriority } from 'node:os';
import type { InvocationContext } from '@azure/functions';
import { sendTraining, trainingMessage } from '../services/queues.ts';
import { hop, startTelemetry } from '../services/telemetry.ts';
import { work } from '../training/job/work.ts';

/** Whatever else runs on the machine goes first: a training is in no hurry. Threads have it from whoever began them. */
setPriority(constants.priority.PRIORITY_LOW);

/** Queue `training`: takes a training job as far as it goes, minutes of it; what has to wait wakes itself. */
export async function train(body: unknown, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  const { training } = trainingMessage.parse(body);
  await hop('training', '', { training }, async () => {
    for (;;) {
      const wait = await work(training);
      if (wait === null) return;
      if (wait > 0) return await sendTraining(training, wait);
    }
  });
}
