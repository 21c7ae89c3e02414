import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
interface Locked {
  optional?: boolean;
  os?: string[];
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

test('the lock file has the packages of every platform: npm ci refuses one that was written where some could not be had', async () => {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  const missing: string[] = [];
  for (const [path, { dependencies, optionalDependencies }] of Object.entries(packages))
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      // As Node looks for it: beside the package that needs it, or in any folder above.
      const parts = path === '' ? [] : path.split('/node_modules/');
      const places = Array.from({ length: parts.length + 1 }, (_, depth) =>
        [...parts.slice(0, depth), name].join('/node_modules/').replace(/^(?!node_modules\/)/, 'node_modules/'),
      );
      if (!places.some((place) => place in packages)) missing.push(`${path || 'maru'} needs ${name}`);
    }
  assert.deepEqual(missing, []);
});
