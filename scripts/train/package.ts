import { createHash } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import type { manifest } from '../../inference-container/models/manifest.ts';

/** `model.json` without the files' checksums. */
export type PackageDescription = Omit<z.input<typeof manifest>, 'files'>;

/**
 * Writes a model package: every file beside the folder first, then one rename, so that a package is there whole or not
 * at all. A package of the same name and version is replaced.
 */
export async function writePackage(
  folder: string,
  description: PackageDescription,
  files: Record<string, Uint8Array | string>,
): Promise<void> {
  // With a dot in front: a server that watches the repository must not see it.
  const draft = join(dirname(folder), `.${basename(folder)}.${process.pid}`);
  await mkdir(dirname(folder), { recursive: true });
  await rm(draft, { recursive: true, force: true });
  try {
    await mkdir(draft);
    const sums: Record<string, string> = {};
    for (const [name, bytes] of Object.entries(files)) {
      await writeFile(`${draft}/${name}`, bytes);
      sums[name] = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    }
    await writeFile(`${draft}/model.json`, `${JSON.stringify({ ...description, files: sums }, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
