import { isWanted } from '../releases/ramping.ts';
import { rollBack, SwapHeld, SwapRefused, swapIn } from '../releases/swap.ts';
import { endAudit, readAudit } from '../services/audit.ts';
import { Rejected } from '../services/failure.ts';
import { log } from '../services/telemetry.ts';

/**
 * A swap that somebody has asked for in the console: the entry of the audit log is what was asked, how far it is, and what came of it. It
 * takes minutes, and its message may come again: one that was made is brought to its end, and not made twice.
 */
export async function swapFor(
  releaseId: string,
  { kind, entry: id }: { kind: 'in' | 'back'; entry: string },
): Promise<void> {
  const entry = await readAudit(id);
  if (entry?.state !== 'begun') return;
  if (!(await isWanted(entry))) return await endAudit(id, { state: 'refused', note: 'the ramp was stopped' });
  const progress = (note: string) => {
    endAudit(id, { note }).catch((error) =>
      log('warn', 'the progress of a swap was not noted', { error: String(error) }),
    );
  };
  try {
    if (kind === 'in') {
      const live = await swapIn(entry.by.name, progress, releaseId);
      await endAudit(id, { state: 'done', after: { live: live.id } });
    } else {
      const { from, to } = await rollBack(entry.by.name, progress, releaseId);
      await endAudit(id, { state: 'done', before: { live: from.id }, after: { live: to?.id ?? null } });
    }
  } catch (error) {
    // A message that came twice: the other one brings it to its end, or the timer asks once more.
    if (error instanceof SwapHeld) return;
    // Whoever may not swap, may not the next time either.
    if (!(error instanceof SwapRefused || error instanceof Rejected)) throw error;
    await endAudit(id, { state: 'refused', note: error.message });
  }
}
