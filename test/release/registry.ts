import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { Registry } from '../../functions/services/registry.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { type LocalRegistry, REGISTRY_MISSING, startRegistry } from '../../scripts/local/registry.ts';
import { Door } from '../platform/door.ts';

/** Nobody is asked for a token: a plain registry wants no login. */
const noLogin = { getToken: () => Promise.reject(new Error('nobody should ask for a token')) };

export interface Served {
  /** Before the registry: what was asked of it, and faults. */
  door: Door;
  /** A repository of it, through the door. */
  repository(name?: string): Registry;
  /** Its files. */
  data: string;
}

/** Debian's docker-registry behind a door, for one test file. */
export function useRegistry(): { readonly it: Served } {
  let served: Served | undefined;
  let registry: LocalRegistry | null = null;
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'maru-registry-'));
    const nobody = { url: 'http://127.0.0.1:9', secret: 'a-secret-for-nobody' };
    const port = await freePort();
    registry = await startRegistry(port, folder, join(folder, 'logs'), nobody);
    if (!registry) throw new Error(REGISTRY_MISSING);
    const door = await Door.open();
    door.target = port;
    served = {
      door,
      repository: (name = 'maru/inference') => new Registry(door.url, name, noLogin),
      data: join(folder, 'data'),
    };
  });
  after(async () => {
    await served?.door.shut();
    await registry?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });
  return {
    get it() {
      if (!served) throw new Error('the registry is not started yet');
      return served;
    },
  };
}
