import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';

const asked: (string | undefined)[] = [];
const server = createServer((request, response) => {
  asked.push(request.headers.authorization);
  response.end(JSON.stringify({ predictions: [{ label: 'greeting' }] }));
});
let url = '';
before(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const given = { COSMOS_ENDPOINT: url, STORAGE_CONNECTION: 'unused', SHOP_URL: url };
  Object.assign(process.env, { ...given, INFERENCE_URL: url, INFERENCE_KEY: 'who-asks-for-answers' });
});
after(() => server.close());

test('the model server is shown the key that it asks for', async () => {
  const { classify } = await import('../../../functions/services/inference.ts');
  assert.deepEqual((await classify(url, 'intents', ['hello'])).labels, ['greeting']);
  assert.deepEqual(asked, ['Bearer who-asks-for-answers']);
});
