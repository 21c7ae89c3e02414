import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { type Container, CosmosClient } from '@azure/cosmos';
import cosmosServer from '@vercel/cosmosdb-server';
import { containers } from '../../functions/services/stores.ts';
import { listen, type Running } from './listening.ts';

/**
 * Stands for Cosmos DB: the emulator of the npm registry, with the database and containers that infra/ makes in Azure.
 * It keeps everything in memory, so what it holds is saved to a file and read back. A document whose TTL is over
 * is gone within a second (in Azure at once, for reads). Leaves out keys, indexes, request units and partitions.
 */
const SAVE_EVERY = 60_000;

/** Any key: the emulator does not check it. */
export const COSMOS_KEY = Buffer.from('local').toString('base64');

export async function startCosmos(
  port: number,
  database: string,
  file: string | null,
): Promise<Running & { server: Server; client: CosmosClient }> {
  const server = cosmosServer.createHttpServer({ keepAlive: true });
  const running = await listen(server, port);
  const client = new CosmosClient({
    endpoint: running.url,
    key: COSMOS_KEY,
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  await client.databases.create({ id: database });
  for (const [id, { partitionKey }] of Object.entries(containers))
    await client.database(database).containers.create({ id, partitionKey: { paths: [partitionKey] } });
  const named = (id: string) => client.database(database).container(id);
  if (file) await load(file, named);
  const expiring = setInterval(expire, 1_000);
  const timer = file
    ? setInterval(() => {
        save(file, named).catch((error) => console.error(`${file} was not saved: ${error}`));
      }, SAVE_EVERY)
    : undefined;
  return {
    ...running,
    server,
    client,
    close: async () => {
      clearInterval(timer);
      clearInterval(expiring);
      if (file) await save(file, named);
      client.dispose();
      await running.close();
    },
  };
}

interface Stored {
  id: string;
  ttl?: number;
  _ts: number;
}

/** The emulator's documents of one container, which has no other way in. */
interface Items {
  _data: Map<string, { read(): Stored }>;
  _getPartition(document: Stored): unknown;
  _set(document: Stored): unknown;
  delete(id: string, partition: unknown): void;
}

const { default: items } = createRequire(import.meta.url)('@vercel/cosmosdb-server/lib/account/items.js') as {
  default: { prototype: Items };
};
/** Containers with documents that do not stay. */
const mortal = new Set<Items>();
const set = items.prototype._set;
items.prototype._set = function (this: Items, document) {
  if (document.ttl !== undefined) mortal.add(this);
  return set.call(this, document);
};

/** Seconds are counted from the last write. */
function expire(): void {
  const now = Date.now() / 1_000;
  for (const container of mortal)
    for (const document of [...container._data.values()].map((item) => item.read()))
      if (document.ttl !== undefined && document._ts + document.ttl < now)
        container.delete(document.id, container._getPartition(document));
}

async function load(file: string, named: (id: string) => Container): Promise<void> {
  let saved: Record<string, object[]>;
  try {
    saved = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new Error(`${file} can't be read; remove it to start empty`, { cause: error });
  }
  for (const [id, documents] of Object.entries(saved))
    for (const document of documents) await named(id).items.create(document);
}

async function save(file: string, named: (id: string) => Container): Promise<void> {
  const saved: Record<string, object[]> = {};
  for (const id of Object.keys(containers)) {
    const { resources } = await named(id).items.readAll<Record<string, unknown>>().fetchAll();
    saved[id] = resources.map((document) =>
      Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('_'))),
    );
  }
  // Beside it, then renamed: a crash in the middle leaves the older one.
  await writeFile(`${file}.new`, JSON.stringify(saved), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
