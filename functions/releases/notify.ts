import { hasOperators, tellOperators } from '../services/operators.ts';
import { releases } from '../services/releases.ts';
import type { Release, State } from './release.ts';

/** What operators are told of. */
const TOLD: readonly State[] = ['ready', 'failed', 'live', 'rolled-back'];

/** Whether operators are to hear of the release's state and have not. */
export function untold({ state, notified }: Release): boolean {
  return hasOperators() && TOLD.includes(state) && notified !== state;
}

/**
 * Tells OPERATOR_WEBHOOK_URL of a release's state, once it is recorded, and notes that they were told; the timer tells what was
 * not, so they may hear twice. A message that can't be delivered holds nothing up: the state stands in the container. False
 * when nobody was reached.
 */
export async function tell(release: Release): Promise<boolean> {
  if (!untold(release)) return true;
  if (!(await deliver(release))) return false;
  await releases.change(release.id, {
    transition: (now) => [now?.state === release.state ? { ...now, notified: release.state } : null, undefined],
  });
  return true;
}

async function deliver(release: Release): Promise<boolean> {
  const models = release.models.map(({ name, version }) => `${name} ${version}`).join(', ');
  const text = `Release ${models || release.digest.slice(0, 19)}: ${release.state}${release.reason ? ` (${release.reason.split('\n')[0]})` : ''}`;
  return await tellOperators({
    event: 'release',
    text,
    state: release.state,
    digest: release.digest,
    repository: release.repository,
    models: release.models,
    checks: release.checks,
    reason: release.reason,
    at: new Date(release.since).toISOString(),
  });
}
