import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { problems } from '../../../functions/http/problem.ts';

test('docs/errors.md lists exactly the catalogue', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/errors.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  assert.deepEqual(
    rows,
    Object.entries(problems).map(
      ([code, { status, title, hint }]) => `| \`${code}\` | ${status} | ${title} | ${hint} |`,
    ),
  );
});
