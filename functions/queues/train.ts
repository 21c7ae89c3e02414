import type { InvocationContext } from '@azure/functions';
import { sendTraining, trainingMessage } from '../services/queues.ts';
import { hop, startTelemetry } from '../services/telemetry.ts';
import { work } from '../training/job/work.ts';

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
