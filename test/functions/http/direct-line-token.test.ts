import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { HttpRequest, type InvocationContext } from '@azure/functions';
import { install } from '../../../scripts/local/functions-core.ts';
import { listen, type Running } from '../../../scripts/local/listening.ts';

install();
let directLine: Running;
let status = 403;
before(async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status).end(JSON.stringify({ error: { code: 'BadArgument', message: 'no' } }));
  });
  directLine = await listen(server, 0);
  const nowhere = 'http://127.0.0.1:9';
  Object.assign(process.env, {
    COSMOS_ENDPOINT: nowhere,
    STORAGE_CONNECTION: 'unused',
    INFERENCE_URL: nowhere,
    SHOP_URL: nowhere,
    DIRECT_LINE_URL: directLine.url,
    DIRECT_LINE_SECRET: 'a-secret-of-another-bot',
  });
});
after(() => directLine.close());

async function token() {
  const { postDirectLineToken } = await import('../../../functions/http/direct-line-token.ts');
  const request = new HttpRequest({ method: 'POST', url: 'http://localhost/api/direct-line/token' });
  const { status: answered, body } = await postDirectLineToken(request, {} as InvocationContext);
  return { status: answered, ...(JSON.parse(String(body)) as { code?: string; detail?: string }) };
}

test('a secret that Direct Line refuses is told apart, with what to set', async () => {
  for (status of [401, 403]) {
    const answer = await token();
    assert.deepEqual([answer.status, answer.code], [502, 'direct_line_refused']);
    assert.match(answer.detail!, /DIRECT_LINE_SECRET.*disableLocalAuth: false/);
  }
  status = 500;
  assert.equal((await token()).code, 'internal');
});
