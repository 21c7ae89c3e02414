import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Spawned, spawnNode, waitFor } from './processes.ts';

/**
 * Stands for Azure Container Registry: Debian's docker-registry, a real OCI registry, where it is installed. Its
 * notifications carry the fields of ACR's webhook. Leaves out ACR's login and its own API (/acr/v1).
 */
export interface LocalRegistry extends Spawned {
  url: string;
}

export const REGISTRY_MISSING = 'no registry on this machine: apt-get install docker-registry, or set REGISTRY_URL';

/** Starts the registry; null where it is not installed. */
export async function startRegistry(
  port: number,
  folder: string,
  logs: string,
  webhook: { url: string; secret: string },
): Promise<LocalRegistry | null> {
  if (spawnSync('docker-registry', ['--version']).error) return null;
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'config.json');
  // YAML, of which JSON is a part. Relative URLs, and no host: else uploads are answered with an address that has no TLS.
  const configuration = {
    version: 0.1,
    log: { accesslog: { disabled: true }, level: 'error', formatter: 'json' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, relativeurls: true, secret: 'maru-local', draintimeout: '5s' },
    notifications: {
      endpoints: [
        {
          name: 'maru',
          url: webhook.url,
          headers: { 'X-Maru-Webhook-Secret': [webhook.secret] },
          timeout: '5s',
          threshold: 3,
          backoff: '2s',
          ignore: { mediatypes: ['application/octet-stream'], actions: ['pull'] },
        },
      ],
    },
  };
  await writeFile(file, JSON.stringify(configuration, null, 2));
  const supervisor = join(import.meta.dirname, 'supervise.ts');
  const spawned = spawnNode('registry', [supervisor, 'docker-registry', 'serve', file], process.env, logs);
  const url = `http://127.0.0.1:${port}`;
  await waitFor('the registry', spawned, async () => (await fetch(`${url}/v2/`)).ok);
  return { ...spawned, url };
}
