import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Folders within a version that are looked into; nothing that is deeper is served. */
const FOLDERS_DEEP = 8;

/**
 * Throws when a version holds a pipe, a socket or a device: to open a pipe blocks until somebody writes to it, here or within
 * ONNX Runtime. Looked at before each opening, because files may be others by then. Folders that are links are not followed: what
 * is served from one is a link of its own here.
 */
export async function filesOnly(folder: string, below = '', depth = 0): Promise<void> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    // A folder of the file system's own, such as lost+found, is nobody's model.
    if (below !== '' && (error.code === 'EACCES' || error.code === 'EPERM')) return [];
    throw error;
  });
  for (const entry of entries) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) {
      if (depth < FOLDERS_DEEP) await filesOnly(folder, path, depth + 1);
      continue;
    }
    const found = await stat(join(folder, path)).catch(() => null);
    if (found && !found.isFile() && !found.isDirectory()) throw new Error(`${path} is neither a file nor a folder`);
  }
}

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false;
}
