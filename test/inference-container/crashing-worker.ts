import { parentPort } from 'node:worker_threads';
import type { Job } from '../../inference-container/models/worker.ts';

/** The server's worker, but texts of a task can end it: in the middle of its batch, by an error that nobody catches, or after it. */
parentPort!.on('message', (job: Job) => {
  if (job.kind !== 'answer') return;
  const asked = job.requests.map(({ body }) => Buffer.from(body).toString()).join();
  if (asked.includes('exit now')) process.exit(1);
  if (asked.includes('throw now')) throw new Error('thrown on purpose');
  if (asked.includes('exit soon')) setTimeout(() => process.exit(1), 50);
});

await import('../../inference-container/models/worker.ts');
