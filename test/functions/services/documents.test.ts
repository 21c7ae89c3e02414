import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const root = join(import.meta.dirname, '../../..');

/** Stands for an account in Azure: it says where its regions are, over TLS, and then never answers anything else. */
const folder = mkdtempSync(join(tmpdir(), 'maru-account-'));
const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
const certificate = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=local'.split(' ');
execFileSync(
  'openssl',
  [...certificate, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certificateFile],
  { stdio: 'ignore' },
);
const account = createServer(
  { key: readFileSync(keyFile), cert: readFileSync(certificateFile) },
  (request, response) => {
    if (request.url !== '/') return;
    const regions = [{ name: 'Korea Central', databaseAccountEndpoint: url }];
    const description = { id: 'maru', writableLocations: regions, readableLocations: regions };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(description));
  },
);
account.listen(0, '127.0.0.1');
await once(account, 'listening');
const url = `https://127.0.0.1:${(account.address() as AddressInfo).port}/`;
after(() => {
  account.close();
  account.closeAllConnections();
  rmSync(folder, { recursive: true });
});

test('an account in Azure that never answers is unavailable, before the caller of the HTTP API has gone', async () => {
  const script = `
    import { readConversation } from ${JSON.stringify(join(root, 'functions/services/conversations.ts'))};
    await readConversation('c').catch((error) => console.log(error.name));
    process.exit();`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    env: {
      PATH: process.env.PATH,
      NODE_EXTRA_CA_CERTS: certificateFile,
      COSMOS_ENDPOINT: url,
      COSMOS_KEY: 'bG9jYWw=',
      STORAGE_CONNECTION: 'unused',
      INFERENCE_URL: 'https://unused.example',
      SHOP_URL: 'https://unused.example',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    // As long as the longest `Prefer: wait`.
    timeout: 30_000,
  });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  await once(child, 'close');
  assert.equal(output.trim(), 'Unavailable');
});
