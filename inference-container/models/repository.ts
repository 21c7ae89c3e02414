import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Batcher } from './batcher.ts';
import { type Manifest, manifest } from './manifest.ts';

export interface Model {
  /** `<name>/<version>`: how the workers know it. */
  key: string;
  manifest: Manifest;
  folder: string;
}

/** A model repository: `<name>/<version>/model.onnx` with `model.json` beside it. The newest version of a name is the default. */
export class Repository {
  readonly #models = new Map<string, Model[]>();

  /** Loads every model below a folder; a package that can't be loaded is reported and left out. */
  static async open(
    root: string,
    batcher: Batcher,
    report: (folder: string, error: Error) => void,
  ): Promise<Repository> {
    const repository = new Repository();
    for (const name of await folders(root))
      for (const version of await folders(join(root, name))) {
        const folder = join(root, name, version);
        try {
          await repository.#load(folder, batcher);
        } catch (error) {
          report(folder, error instanceof Error ? error : new Error(String(error)));
        }
      }
    return repository;
  }

  async #load(folder: string, batcher: Batcher): Promise<void> {
    const parsed = manifest.parse(JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')));
    for (const [file, expected] of Object.entries(parsed.files)) {
      if (basename(file) !== file) throw new Error(`model.json: the file name ${file} leaves the folder`);
      if ((await checksum(join(folder, file))) !== expected)
        throw new Error(`${file} does not have the checksum in model.json`);
    }
    const key = `${parsed.name}/${parsed.version}`;
    await batcher.load(key, folder);
    const versions = [...(this.#models.get(parsed.name) ?? []), { key, manifest: parsed, folder }];
    versions.sort((a, b) => a.manifest.version.localeCompare(b.manifest.version, 'en', { numeric: true }));
    this.#models.set(parsed.name, versions);
  }

  get names(): string[] {
    return [...this.#models.keys()];
  }

  versions(name: string): Model[] {
    return this.#models.get(name) ?? [];
  }

  /** The named version, or the newest. */
  find(name: string, version?: string): Model | undefined {
    const versions = this.versions(name);
    return version === undefined ? versions.at(-1) : versions.find((model) => model.manifest.version === version);
  }
}

async function folders(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
}

async function checksum(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}
