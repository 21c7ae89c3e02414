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
  entra: { port: 4003, setting: 'ENTRA_PORT' },
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
  const ports = {} as Ports;
  for (const name of Object.keys(usualPorts) as (keyof Ports)[]) ports[name] = await freePort();
  return ports;
}

/** The ports from here on are left to who looks for one seconds before it is used (test/local/start.test.ts). */
export const FREE_UNTIL = 27_000;

/**
 * Where this process looks for free ports next. Not what the system hands out itself (from 32768): such a port may become the
 * near end of anyone's connection before it is used. Each process begins elsewhere, because several look at once.
 */
let next = 10_500 + (process.pid % 800) * 20;

/** A free port, each time another. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next;
    next = next < FREE_UNTIL ? next + 1 : 10_500;
    if (await free(port)) return port;
  }
}

/** Whether nothing listens on a port, on any address: a server on one of them would be in the way. */
function free(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, () => server.close(() => done(true)));
  });
}
