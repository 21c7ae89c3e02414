import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { environment } from '../../inference-container/environment.ts';
import { scratch } from '../../scripts/release/image.ts';

test('every image sets what the process must have in its environment before it starts', async () => {
  const dockerfile = await readFile(join(import.meta.dirname, '../../inference-container/Dockerfile'), 'utf8');
  const set = dockerfile
    .split('\n')
    .filter((line) => line.startsWith('ENV '))
    .flatMap((line) => line.split(' ').slice(1));
  for (const [name, value] of Object.entries(environment)) {
    assert.ok(set.includes(`${name}=${value}`), `the Dockerfile sets ${name}=${value}`);
    assert.ok(
      scratch.config.config?.Env?.includes(`${name}=${value}`),
      `an image without a base sets ${name}=${value}`,
    );
  }
});
