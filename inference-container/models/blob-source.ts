import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity';
import { BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import type { Logger } from 'pino';
import type { Settings } from '../settings.ts';

const PART = /^[\w-][\w.-]{0,127}$/;

/**
 * A Blob container with the layout of a model repository, copied into a folder: each version whole or not at all, by
 * rename. Its checksums are checked where every version's are, when it is loaded.
 */
export class BlobSource {
  readonly #container: ContainerClient;
  readonly #folder: string;
  readonly #log: Logger;

  constructor(
    { MODEL_BLOB_URL, MODEL_BLOB_CONNECTION, MODEL_BLOB_CONTAINER, AZURE_CLIENT_ID, CACHE_DIR }: Settings,
    log: Logger,
  ) {
    const retryOptions = { maxTries: 4, tryTimeoutInMs: 60_000, retryDelayInMs: 500, maxRetryDelayInMs: 5_000 };
    this.#container = MODEL_BLOB_CONNECTION
      ? BlobServiceClient.fromConnectionString(MODEL_BLOB_CONNECTION, { retryOptions }).getContainerClient(
          MODEL_BLOB_CONTAINER,
        )
      : new ContainerClient(
          MODEL_BLOB_URL!,
          AZURE_CLIENT_ID ? new ManagedIdentityCredential({ clientId: AZURE_CLIENT_ID }) : new DefaultAzureCredential(),
          { retryOptions },
        );
    this.#folder = CACHE_DIR;
    this.#log = log;
  }

  /** Copies versions that are not here yet. */
  async fetch(): Promise<void> {
    const versions = new Map<string, string[]>();
    for await (const { name } of this.#container.listBlobsFlat()) {
      const parts = name.split('/');
      if (parts.length !== 3 || !parts.every((part) => PART.test(part))) continue;
      const version = parts.slice(0, 2).join('/');
      versions.set(version, [...(versions.get(version) ?? []), parts[2]!]);
    }
    for (const [version, files] of versions) if (files.includes('model.onnx')) await this.#copy(version, files);
  }

  async #copy(version: string, files: string[]): Promise<void> {
    const target = join(this.#folder, version);
    if (await stat(target).catch(() => null)) return;
    const draft = join(dirname(target), `.${version.split('/')[1]}.${process.pid}`);
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    try {
      for (const file of files)
        await this.#container.getBlobClient(`${version}/${file}`).downloadToFile(join(draft, file));
      await rename(draft, target);
      this.#log.info({ version, files: files.length }, 'copied from the Blob container');
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
}
