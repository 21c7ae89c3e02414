import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity';
import { BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import type { Logger } from 'pino';
import type { Settings } from '../settings.ts';

/** Folders within a version. */
const FOLDERS_DEEP = 8;
const PART = /^[\w-][\w.-]{0,127}$/;

/**
 * A Blob container with the layout of a model repository, copied into a folder: each version whole or not at all, by
 * rename, and again when its blobs have changed, until it is final. Its checksums are checked where every version's are, when it is
 * loaded.
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

  /** Copies versions that are not here, or here as they were before; `isFinal`: one that may not change any more. */
  async fetch(isFinal: (name: string, version: string) => boolean): Promise<void> {
    const versions = new Map<string, Map<string, string>>();
    for await (const { name, properties } of this.#container.listBlobsFlat()) {
      const [model, version, ...path] = name.split('/');
      if (path.length === 0 || path.length > FOLDERS_DEEP || !name.split('/').every((part) => PART.test(part)))
        continue;
      const key = `${model}/${version}`;
      versions.set(key, (versions.get(key) ?? new Map()).set(path.join('/'), properties.etag ?? ''));
    }
    for (const [key, blobs] of versions) {
      const [name, version] = key.split('/') as [string, string];
      if (!blobs.has('model.onnx')) continue;
      await this.#copy(name, version, blobs, () => isFinal(name, version)).catch((error: Error) =>
        this.#log.error({ model: name, version, error: error.message }, 'not copied from the Blob container'),
      );
    }
  }

  async #copy(name: string, version: string, blobs: Map<string, string>, isFinal: () => boolean): Promise<void> {
    const target = join(this.#folder, name, version);
    // Beside it, and none of its files: which blobs it was copied from.
    const list = join(this.#folder, name, `.${version}.json`);
    const wanted = JSON.stringify(Object.fromEntries([...blobs].sort(([a], [b]) => (a < b ? -1 : 1))));
    const isThere = (await stat(target).catch(() => null)) !== null;
    if (isThere && isFinal()) return;
    if (isThere && (await readFile(list, 'utf8').catch(() => '')) === wanted) return;
    const draft = join(dirname(target), `.${version}.${process.pid}`);
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    try {
      for (const [file, etag] of blobs) {
        await mkdir(dirname(join(draft, file)), { recursive: true });
        // As it was listed: a version must not be half of one state and half of another.
        const conditions = etag ? { ifMatch: etag } : {};
        await this.#container
          .getBlobClient(`${name}/${version}/${file}`)
          .downloadToFile(join(draft, file), 0, undefined, { conditions });
      }
      // It may have been asked meanwhile.
      if (isThere && isFinal()) return;
      await rm(target, { recursive: true, force: true });
      await rename(draft, target);
      await writeFile(list, wanted);
      this.#log.info({ model: name, version, files: blobs.size }, 'copied from the Blob container');
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
}
