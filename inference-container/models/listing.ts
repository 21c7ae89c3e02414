import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isName, isVersion, NAME_RULE, VERSION_RULE } from './version.ts';

/** Something in a repository's folders that is not served, and what to do about it. */
export interface Misplaced {
  name: string;
  /** Blank: it is about the model. */
  version: string;
  reason: string;
}

export interface Listing {
  names: string[];
  misplaced: Misplaced[];
}

/** The models of a root: each a folder. What lies there otherwise is said. */
export async function listModels(root: string): Promise<Listing> {
  const listing: Listing = { names: [], misplaced: [] };
  for (const { name, isFolder } of await entriesOf(root)) {
    const said = name.slice(0, 100);
    if (isFolder && isName(name)) listing.names.push(name);
    else if (isFolder)
      listing.misplaced.push({ name: said, version: '', reason: `rename the folder: a model's name ${NAME_RULE}` });
    else if (/\.onnx$/i.test(name)) {
      const stem = said.slice(0, -'.onnx'.length);
      listing.misplaced.push({ name: stem, version: '', reason: `move ${said} to ${stem}/1/model.onnx` });
    }
  }
  return listing;
}

/** The versions of a model: each a folder. `wanted`: named by its policy, so that any name will do. */
export async function listVersions(
  root: string,
  name: string,
  wanted: readonly string[],
): Promise<{ versions: string[]; misplaced: Misplaced[] }> {
  const versions: string[] = [];
  const misplaced: Misplaced[] = [];
  const entries = await entriesOf(join(root, name));
  for (const { name: version, isFolder } of entries) {
    if (!isFolder) continue;
    if (isVersion(version) || (isName(version) && wanted.includes(version))) versions.push(version);
    else misplaced.push({ name, version: version.slice(0, 100), reason: `not looked at: ${VERSION_RULE}` });
  }
  if (versions.length === 0) {
    const lost = entries.find((entry) => !entry.isFolder && /\.onnx$/i.test(entry.name));
    const what = lost ? `move ${lost.name.slice(0, 100)} to` : 'put the model into';
    misplaced.push({ name, version: '', reason: `there is no version folder: ${what} ${name}/1/model.onnx` });
  }
  return { versions, misplaced };
}

/** What a folder holds, but for names with a dot in front: those are still being written, or a tool's own. None where there is no folder. */
async function entriesOf(folder: string): Promise<{ name: string; isFolder: boolean }[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const found: { name: string; isFolder: boolean }[] = [];
  for (const entry of entries.filter(({ name }) => !name.startsWith('.'))) {
    const isFolder = entry.isSymbolicLink()
      ? ((await stat(join(folder, entry.name)).catch(() => null))?.isDirectory() ?? false)
      : entry.isDirectory();
    found.push({ name: entry.name, isFolder });
  }
  return found;
}
