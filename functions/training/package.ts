import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { manifest } from '../../inference-container/models/manifest.ts';
import { DatasetError } from './dataset.ts';

/** `model.json` without the files' checksums. */
export type PackageDescription = Omit<z.input<typeof manifest>, 'files'>;

/**
 * Writes a model package: every file beside the folder first, then renames, so that a package is there whole or not at
 * all. A package of the same name and version is replaced. All at once: Ctrl-C comes before or after it.
 */
export function writePackage(
  folder: string,
  description: PackageDescription,
  files: Record<string, Uint8Array | string>,
): void {
  // With a dot in front: a server that watches the repository must not see it.
  const draft = join(dirname(folder), `.${basename(folder)}.${process.pid}`);
  const old = `${draft}.old`;
  const remove = (path: string) => rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  remove(draft);
  try {
    mkdirSync(draft);
    const sums: Record<string, string> = {};
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(`${draft}/${name}`, bytes);
      sums[name] = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    }
    writeFileSync(`${draft}/model.json`, `${JSON.stringify({ ...description, files: sums }, null, 2)}\n`);
    if (existsSync(folder)) renameSync(folder, old);
    renameSync(draft, folder);
    remove(old);
  } finally {
    remove(draft);
  }
}

/** Throws, before anything is trained, where no package can be written or something else would be lost. */
export async function checkTarget(folder: string, name: string, version: string): Promise<void> {
  for (const part of [name, version])
    if (!manifest.shape.name.safeParse(part).success)
      throw new DatasetError(`--out: the name ${part} may have letters, digits, _ . and - only`);
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    throw error.code === 'ENOTDIR' ? new DatasetError(`--out: ${folder} is a file, or in one`) : error;
  });
  if (files.length > 0 && !files.includes('model.json'))
    throw new DatasetError(`--out: ${folder} has files that are no model package`);
}
