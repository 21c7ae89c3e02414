import { createServer } from 'node:net';

/** The platform's ports: their usual numbers, and the settings that change them. */
export const usualPorts = {
  gateway: { port: 7071, setting: 'GATEWAY_PORT' },
  inference: { port: 8080, setting: 'INFERENCE_PORT' },
  staging: { port: 8090, setting: 'STAGING_PORT' },
  blob: { port: 10000, setting: 'BLOB_PORT' },
  queue: { port: 10001, setting: 'QUEUE_PORT' },
  table: { port: 10002, setting: 'TABLE_PORT' },
  cosmos: { port: 8081, setting: 'COSMOS_PORT' },
  directLine: { port: 3978, setting: 'DIRECT_LINE_PORT' },
  shop: { port: 4000, setting: 'SHOP_PORT' },
  identity: { port: 4001, setting: 'IDENTITY_PORT' },
  arm: { port: 4002, setting: 'ARM_PORT' },
  registry: { port: 5000, setting: 'REGISTRY_PORT' },
} as const;

export type Ports = Record<keyof typeof usualPorts, number>;

/**
 * The ports to use: a port of the settings as it is, a usual one, or the next free one if that is taken. `moved` says
 * which; a taken port of the settings is an error that names both.
 */
export async function choosePorts(environment: NodeJS.ProcessEnv): Promise<{ ports: Ports; moved: string[] }> {
  const ports = {} as Ports;
  const moved: string[] = [];
  const taken = new Set<number>();
  for (const [name, { port, setting }] of Object.entries(usualPorts)) {
    const given = environment[setting];
    const wanted = given ? Number(given) : port;
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > 65_535)
      throw new Error(`${setting} must be a port from 1 to 65535, not "${given}"`);
    if (given && !(await free(wanted))) throw new Error(`port ${wanted} is in use; set ${setting} to a free one`);
    let chosen = wanted;
    while (taken.has(chosen) || !(await free(chosen))) chosen += 1;
    if (chosen !== wanted) moved.push(`port ${wanted} is in use: ${name} is on ${chosen} (set ${setting} to choose)`);
    taken.add(chosen);
    ports[name as keyof Ports] = chosen;
  }
  return { ports, moved };
}

/** Free ports for everything, for tests. */
export async function freePorts(): Promise<Ports> {
  const names = Object.keys(usualPorts) as (keyof Ports)[];
  // All held at once, so that no two are the same.
  const servers = await Promise.all(names.map(() => hold(0)));
  const ports = Object.fromEntries(names.map((name, index) => [name, servers[index]!.port])) as Ports;
  await Promise.all(servers.map((server) => server.release()));
  return ports;
}

/** Any free port. */
export async function freePort(): Promise<number> {
  const server = await hold(0);
  await server.release();
  return server.port;
}

async function free(port: number): Promise<boolean> {
  try {
    await (await hold(port)).release();
    return true;
  } catch {
    return false;
  }
}

function hold(port: number): Promise<{ port: number; release(): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    // On all addresses: a server on any of them would be in the way.
    server.listen(port, () => {
      const { port: bound } = server.address() as { port: number };
      resolve({ port: bound, release: () => new Promise((done) => server.close(() => done())) });
    });
  });
}
