import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The repository. */
export const root = join(import.meta.dirname, '../..');

/** What CommonJS modules expect to find, by names that no module has itself. */
export const REQUIRE = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __fileURLToPath } from 'node:url';",
  "import { dirname as __pathDirname } from 'node:path';",
  'const require = __createRequire(import.meta.url);',
  'const __bundleFilename = __fileURLToPath(import.meta.url);',
  'const __bundleDirname = __pathDirname(__bundleFilename);',
].join('');

/** Where a build is made, beside what it replaces: somebody else may be running from that. */
export function draft(target: string): string {
  return `${target}.${process.pid}`;
}

export async function replace(target: string, out: string): Promise<void> {
  const old = `${out}.old`;
  await rename(target, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(out, target);
  await rm(old, { recursive: true, force: true });
}
