import type { Server } from 'node:http';
import { CosmosClient } from '@azure/cosmos';
import { type Container, containers } from '../../functions/services/stores.ts';
import { cosmosServer } from './cosmos/server.ts';
import { type Definition, Store } from './cosmos/store.ts';
import { listen, type Running } from './listening.ts';

/**
 * Stands for Cosmos DB, with the database and containers that infra/ makes in Azure: documents and their indexes in SQLite, in a file
 * that is there again after a restart. Leaves out more than one partition, other consistency than strong, throttling, patches,
 * batches, the change feed, stored procedures, and SQL that the product does not use: those it refuses.
 */

/** Of the account that is stood for. */
export const COSMOS_KEY = Buffer.from('local').toString('base64');

export const COSMOS_DATABASE = 'maru';

const EXPIRE_EVERY_MS = 1_000;

/** A container as infra/database.bicep makes it. */
function definitionOf(id: string, { partitionKey, days, indexed }: Container): Definition {
  return {
    id,
    partitionKey: { paths: [partitionKey] },
    ...(days === null ? {} : { defaultTtl: -1 }),
    indexingPolicy: { includedPaths: indexed.map((path) => ({ path })), excludedPaths: [{ path: '/*' }] },
  };
}

export function deployContainers(store: Store, database: string): void {
  for (const [id, container] of Object.entries(containers)) store.deploy(database, definitionOf(id, container));
}

/** `file`: where it stays; null: in memory. */
export async function startCosmos(
  port: number,
  database: string,
  file: string | null,
): Promise<Running & { server: Server; client: CosmosClient }> {
  const store = new Store(file);
  deployContainers(store, database);
  const server = cosmosServer(store, COSMOS_KEY);
  const running = await listen(server, port);
  const client = new CosmosClient({
    endpoint: running.url,
    key: COSMOS_KEY,
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  const expiring = setInterval(() => store.expire(), EXPIRE_EVERY_MS);
  return {
    ...running,
    server,
    client,
    close: async () => {
      clearInterval(expiring);
      client.dispose();
      await running.close();
      store.close();
    },
  };
}
