import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openApi } from '../../functions/http/openapi.ts';
import { root } from './bundle.ts';

/**
 * `npm run console:api`: writes the types of the console's client from the platform's OpenAPI. The generator is fetched for it, and is no
 * package of this repository: it needs an older TypeScript than the one here. A test tells when the types are of another API.
 */
export const target = join(root, 'functions/web/console/schema.d.ts');

/** What the types are made of: the console's own part. */
export async function consoleApi() {
  const document = await openApi();
  const paths = Object.entries(document.paths ?? {}).filter(([path]) => path.startsWith('/api/admin/'));
  return { ...document, paths: Object.fromEntries(paths) };
}

export function digestOf(document: object): string {
  return createHash('sha256').update(JSON.stringify(document)).digest('hex').slice(0, 16);
}

if (import.meta.main) {
  const folder = await mkdtemp(join(tmpdir(), 'maru-console-api-'));
  try {
    const document = await consoleApi();
    await writeFile(join(folder, 'openapi.json'), JSON.stringify(document));
    const output = join(folder, 'api.d.ts');
    execFileSync('npx', ['--yes', 'openapi-typescript@7.13.0', join(folder, 'openapi.json'), '-o', output], {
      stdio: ['ignore', 'ignore', 'inherit'],
      cwd: folder,
    });
    const types = await readFile(output, 'utf8');
    await writeFile(target, `// Made by npm run console:api, of the OpenAPI ${digestOf(document)}.\n${types}`);
    console.log(`Written: ${target}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
