import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { type Container, CosmosClient } from '@azure/cosmos';
import cosmosServer from '@vercel/cosmosdb-server';
import { listen, type Running } from './listening.ts';

/**
 * Stands for Cosmos DB: the emulator of the npm registry, with the database and containers that infra/ makes in Azure.
 * It keeps everything in memory, so what it holds is saved to a file and read back. Leaves out keys, TTL, indexes,
 * request units and partitions.
 */
const containers = ['conversations', 'users', 'turns', 'incidents', 'releases'] as const;
const partitionKeys: Partial<Record<(typeof containers)[number], string>> = { turns: '/conversationId' };
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
  for (const id of containers)
    await client.database(database).containers.create({ id, partitionKey: { paths: [partitionKeys[id] ?? '/id'] } });
  const named = (id: string) => client.database(database).container(id);
  if (file) await load(file, named);
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
      if (file) await save(file, named);
      client.dispose();
      await running.close();
    },
  };
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
  for (const id of containers) {
    const { resources } = await named(id).items.readAll<Record<string, unknown>>().fetchAll();
    saved[id] = resources.map((document) =>
      Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('_'))),
    );
  }
  // Beside it, then renamed: a crash in the middle leaves the older one.
  await writeFile(`${file}.new`, JSON.stringify(saved));
  await rename(`${file}.new`, file);
}
