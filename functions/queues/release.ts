import type { InvocationContext } from '@azure/functions';
import { advance } from '../releases/advance.ts';
import { idOf } from '../releases/release.ts';
import { releaseMessage, sendRelease } from '../services/queues.ts';
import { hop, startTelemetry } from '../services/telemetry.ts';
import { swapFor } from './swap.ts';

/** The queue `releases`: takes a release as far as it goes, and wakes itself for what has to be waited for. */
export async function release(body: unknown, _context: InvocationContext): Promise<void> {
  await startTelemetry();
  const message = releaseMessage.parse(body);
  if (message.swap) return await swapFor(idOf(message.digest), message.swap);
  await hop('release', '', { digest: message.digest }, async () => {
    for (;;) {
      const wait = await advance(message.digest, message.repository, message.at);
      if (wait === null) return;
      if (wait > 0) return await sendRelease(message, wait);
    }
  });
}
