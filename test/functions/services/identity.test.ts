import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

/** Which credential a process with these settings acts by. */
function credentialOf(settings: Record<string, string>): string {
  const module = join(import.meta.dirname, '../../../functions/services/identity.ts');
  const script = `const { credential } = await import(${JSON.stringify(module)}); console.log(credential().constructor.name);`;
  const nowhere = 'http://127.0.0.1:9';
  const needed = { COSMOS_ENDPOINT: nowhere, STORAGE_CONNECTION: 'x', INFERENCE_URL: nowhere, SHOP_URL: nowhere };
  return execFileSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    {
      env: { PATH: process.env.PATH, ...needed, ...settings },
      encoding: 'utf8',
    },
  ).trim();
}

test('the identity of the machine where it has one, else whoever is signed in: a pipeline sets AZURE_CLIENT_ID, too', () => {
  const client = { AZURE_CLIENT_ID: '00000000-0000-4000-8000-000000000002' };
  assert.equal(credentialOf({ ...client, IDENTITY_ENDPOINT: 'http://127.0.0.1:9/msi' }), 'ManagedIdentityCredential');
  assert.equal(credentialOf(client), 'DefaultAzureCredential');
  assert.equal(credentialOf({}), 'DefaultAzureCredential');
});
