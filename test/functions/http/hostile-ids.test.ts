import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { conversationId, turnId, userId } from '../../../functions/conversation/identifier.ts';
import { serveBot } from '../../../functions/services/bot.ts';
import { COSMOS_KEY, startCosmos } from '../../../scripts/local/cosmos.ts';
import { install } from '../../../scripts/local/functions-core.ts';
import { listen, type Running } from '../../../scripts/local/listening.ts';
import type { Shop } from '../../../scripts/local/shop.ts';
import { startShop } from '../../../scripts/local/shop.ts';
import { bot } from '../../bot.ts';
import { hostileId } from '../hostile.ts';

/**
 * The handlers of the HTTP API, in this process, with the database's emulator and a shop behind them that write down what
 * they are asked: no id from outside may reach a path, a key or a container other than its own.
 */
install();
let cosmos: Awaited<ReturnType<typeof startCosmos>>;
let shop: Shop;
let storage: Running;
const asked: { service: string; method: string; url: string }[] = [];
const record = (service: string, server: Server) =>
  server.prependListener('request', (request) => {
    asked.push({ service, method: request.method ?? '', url: request.url ?? '' });
  });

before(async () => {
  cosmos = await startCosmos(0, 'maru', null);
  record('cosmos', cosmos.server);
  shop = await startShop(0);
  // Azurite is not needed: whatever is sent to a queue or listed in a container, there is nothing.
  const answers = createServer((request, response) => {
    request.resume();
    const time = 'Thu, 26 Nov 2026 12:00:00 GMT';
    const queued = `<QueueMessagesList><QueueMessage><MessageId>1</MessageId><InsertionTime>${time}</InsertionTime><ExpirationTime>${time}</ExpirationTime><PopReceipt>1</PopReceipt><TimeNextVisible>${time}</TimeNextVisible></QueueMessage></QueueMessagesList>`;
    const list = '<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>';
    response.writeHead(request.method === 'POST' ? 201 : 200, { 'content-type': 'application/xml' });
    response.end(request.method === 'POST' ? queued : list);
  });
  record('storage', answers);
  storage = await listen(answers, 0);
  Object.assign(process.env, {
    COSMOS_ENDPOINT: cosmos.url,
    COSMOS_KEY,
    STORAGE_CONNECTION: [
      'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1',
      'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
      `BlobEndpoint=${storage.url}/devstoreaccount1`,
      `QueueEndpoint=${storage.url}/devstoreaccount1`,
    ].join(';'),
    INFERENCE_URL: 'http://127.0.0.1:9',
    SHOP_URL: shop.url,
    RATE_USER: '1000000',
  });
  serveBot(bot);
});

after(async () => {
  await cosmos.close();
  await shop.close();
  await storage.close();
});

/** Calls a handler as the host does, with parameters that are decoded already. */
async function call(
  load: () => Promise<unknown>,
  method: string,
  params: Record<string, string>,
  {
    body,
    headers = {},
    query = {},
  }: { body?: object; headers?: Record<string, string>; query?: Record<string, string> } = {},
): Promise<number> {
  const { HttpRequest } = await import('@azure/functions');
  const request = new HttpRequest({
    method,
    url: 'http://localhost/api',
    params,
    query,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body ? { body: { string: JSON.stringify(body) } } : {}),
  });
  const handler = (await load()) as (request: unknown, context: object) => Promise<{ status: number }>;
  return (await handler(request, {})).status;
}

const CONTAINERS =
  'conversations|users|turns|notes|lessons|incidents|releases|erasures|statistics|audit|content|reviews';
/** Or which content is live, which is looked up beside everything. */
const DOCUMENT = /^(?:(?:conversation|user|turn)\.[\w-]{43}|pointer)$/;

/** What the database may be asked: a container's documents, or one of them by an id that was made. */
function assertHarmless(): void {
  for (const { service, method, url } of asked) {
    if (service !== 'cosmos') {
      assert.doesNotMatch(url, /\.\.|%2e/i, url);
      continue;
    }
    const [, container, document] = new RegExp(`^/dbs/maru/colls/(${CONTAINERS})/docs(?:/([^/?#]+))?$`).exec(url) ?? [];
    if (url === '/' || /^\/dbs\/maru\/colls\/\w+(\/pkranges)?$/.test(url)) assert.equal(method, 'GET', url);
    else {
      assert.ok(container, `${method} ${url}`);
      if (method === 'POST') assert.equal(document, undefined, url);
      else assert.match(decodeURIComponent(document ?? ''), DOCUMENT, `${method} ${url}`);
    }
  }
}

test('no id of a conversation, a turn, a user or a customer reaches a path or a container other than its own', async () => {
  const conversations = () => import('../../../functions/http/conversations.ts');
  const users = () => import('../../../functions/http/users.ts');
  const field = fc.constantFrom('conversationId', 'turnId', 'userId', 'customerId', 'channel');
  await fc.assert(
    fc.asyncProperty(field, hostileId, async (which, id) => {
      asked.length = 0;
      const of = (name: string, usual: string) => (which === name ? id : usual);
      const params = { conversationId: of('conversationId', 'c1'), turnId: of('turnId', 't1') };
      const user = { userId: of('userId', 'u1') };
      const customer = { customerId: of('customerId', 'demo') };
      // A header can't hold every id; those that it can't never come.
      const key = /^[\x21-\x7e]+$/.test(params.turnId) ? params.turnId : 't1';
      const query: Record<string, string> = which === 'channel' ? { channel: id } : {};
      const statuses = [
        await call(async () => (await conversations()).postMessage, 'POST', params, {
          body: { ...user, ...customer, text: 'hello' },
          headers: { 'idempotency-key': key },
        }),
        await call(async () => (await conversations()).getMessage, 'GET', params),
        await call(async () => (await conversations()).listMessages, 'GET', params),
        await call(async () => (await import('../../../functions/http/feedback.ts')).postFeedback, 'POST', params, {
          body: { rating: 'up' },
        }),
        await call(async () => (await users()).exportUserData, 'GET', user, { query }),
        await call(async () => (await users()).exportCustomerData, 'GET', customer),
        await call(async () => (await users()).deleteCustomer, 'DELETE', customer),
        await call(async () => (await users()).deleteUser, 'DELETE', user, { query }),
      ];
      for (const status of statuses) assert.ok([200, 202, 400, 404, 409, 503].includes(status), statuses.join());
      assertHarmless();
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 120) },
  );
});

test("an id of a channel's activity, account or conversation reaches no other's document", async () => {
  const { accept } = await import('../../../functions/http/accept.ts');
  const { eraseUser, exportUser } = await import('../../../functions/services/erasure.ts');
  const bystander = userId('api', 'bystander');
  await call(
    async () => (await import('../../../functions/http/conversations.ts')).postMessage,
    'POST',
    { conversationId: 'theirs' },
    {
      body: { userId: 'bystander', text: 'hello' },
    },
  );
  await fc.assert(
    fc.asyncProperty(hostileId, hostileId, hostileId, async (conversation, activity, user) => {
      asked.length = 0;
      const space = { channel: 'directline' };
      const id = userId(space, user);
      const turn = {
        id: turnId(activity),
        givenId: activity,
        text: 'hello',
        attachments: [],
        locale: undefined,
        fingerprint: 'x',
        traceparent: '',
        acceptedAt: Date.now(),
        attempts: 0,
        retryAt: 0,
      };
      const profile = { id, space: 'directline', givenId: user, customerId: null };
      await accept(conversationId(space, conversation), turn, profile, { kind: 'activity', reference: {} });
      await eraseUser(id, Date.now());
      assertHarmless();
      assert.equal((await exportUser(bystander))?.conversations.length, 1, 'others keep what is theirs');
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 60) },
  );
});

test("the shop is asked for this customer's orders alone, whatever somebody writes for an order", async () => {
  const { shop: service } = await import('../../../functions/bot/shop.ts');
  const { customerId } = await import('../../../functions/conversation/identifier.ts');
  const seen: string[] = [];
  const { SHOP_URL } = process.env;
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    request.resume();
    response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
  });
  const recorder = await listen(server, 0);
  const { settings } = await import('../../../functions/services/settings.ts');
  assert.equal(settings().SHOP_URL, SHOP_URL);
  const { pathTo } = await import('../../../functions/services/path.ts');
  const { call: fetchFrom } = await import('../../../functions/services/http.ts');
  await fc.assert(
    fc.asyncProperty(hostileId, async (id) => {
      seen.length = 0;
      let url: string;
      try {
        url = pathTo('shop', `${recorder.url}/customers`, id, 'orders');
      } catch {
        return;
      }
      await fetchFrom('shop', url, { timeout: 2_000, attempts: 1 }).catch(() => undefined);
      assert.equal(seen.length, 1);
      assert.deepEqual(seen[0]!.split('/').map(decodeURIComponent), ['', 'customers', id, 'orders']);
    }),
    { numRuns: 200 },
  );
  await recorder.close();
  const demo = customerId('demo')!;
  for (const number of ['..', '.', '../demo2', 'ORD-1/../..', '%2e%2e'])
    await assert.rejects(service.order(demo, number), /can not be part of an address/);
  assert.equal(await service.order(demo, 'ORD-99999'), null);
});
