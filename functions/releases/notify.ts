import { call } from '../services/http.ts';
import { settings } from '../services/settings.ts';
import { log } from '../services/telemetry.ts';
import type { Release, State } from './release.ts';

/** What operators are told of. */
const TOLD: readonly State[] = ['ready', 'failed', 'live', 'rolled-back'];

/**
 * Tells OPERATOR_WEBHOOK_URL of a release's state, once; what was told is noted in the release that is returned. A message
 * that can't be delivered holds nothing up: the state stands in the container.
 */
export async function notify(release: Release): Promise<Release> {
  const { OPERATOR_WEBHOOK_URL: url } = settings();
  if (!url || !TOLD.includes(release.state) || release.notified === release.state) return release;
  const models = release.models.map(({ name, version }) => `${name} ${version}`).join(', ');
  const text = `Release ${models || release.digest.slice(0, 19)}: ${release.state}${release.reason ? ` (${release.reason.split('\n')[0]})` : ''}`;
  try {
    await call('operator', url, {
      method: 'POST',
      body: {
        event: 'release',
        text,
        state: release.state,
        digest: release.digest,
        repository: release.repository,
        models: release.models,
        checks: release.checks,
        reason: release.reason,
        at: new Date(release.since).toISOString(),
      },
      timeout: 5_000,
      attempts: 3,
    });
  } catch (error) {
    log('warn', 'the operators were not told of a release', { state: release.state, error: String(error) });
    return release;
  }
  return { ...release, notified: release.state };
}
