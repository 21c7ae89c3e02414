import { createRequire } from 'node:module';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { blobContainers, poisonOf, queues } from '../../functions/services/stores.ts';
import { type Spawned, spawnNode, waitFor } from './processes.ts';

/**
 * Stands for Azure Storage (blobs and queues): Azurite, with the containers and queues that infra/ makes in Azure. Leaves out
 * identities: it takes the well-known key of a development account.
 */
const ACCOUNT = 'devstoreaccount1';
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export interface Azurite extends Spawned {
  connection: string;
}

export async function startAzurite(
  ports: { blob: number; queue: number; table: number },
  folder: string,
  logs: string,
): Promise<Azurite> {
  const connection = [
    `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY}`,
    `BlobEndpoint=http://127.0.0.1:${ports.blob}/${ACCOUNT}`,
    `QueueEndpoint=http://127.0.0.1:${ports.queue}/${ACCOUNT}`,
  ].join(';');
  const script = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
  const options = [
    '--location',
    folder,
    '--blobPort',
    ports.blob,
    '--queuePort',
    ports.queue,
    '--tablePort',
    ports.table,
  ];
  const quiet = ['--silent', '--disableTelemetry', '--skipApiVersionCheck'];
  const spawned = spawnNode('azurite', [script, ...options.map(String), ...quiet], process.env, logs);
  const ready = async () => {
    const retryOptions = { maxTries: 1, tryTimeoutInMs: 1_000 };
    const service = QueueServiceClient.fromConnectionString(connection, { retryOptions });
    await service.getProperties();
    for (const name of queues)
      for (const one of [name, poisonOf(name)]) await service.getQueueClient(one).createIfNotExists();
    const blobs = BlobServiceClient.fromConnectionString(connection, { retryOptions });
    for (const name of Object.keys(blobContainers)) await blobs.getContainerClient(name).createIfNotExists();
    return true;
  };
  await waitFor('Azurite', spawned, ready);
  return { ...spawned, connection };
}
