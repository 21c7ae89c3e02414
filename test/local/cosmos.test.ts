import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, CosmosClient, type ErrorResponse } from '@azure/cosmos';
import cosmosServer from '@vercel/cosmosdb-server';
import { cosmosServer as standIn } from '../../scripts/local/cosmos/server.ts';
import { type Definition, Store } from '../../scripts/local/cosmos/store.ts';
import { COSMOS_KEY } from '../../scripts/local/cosmos.ts';
import { listen } from '../../scripts/local/listening.ts';
import { freePort } from '../../scripts/local/ports.ts';

const root = join(import.meta.dirname, '../..');
const cosmium = process.env.COSMIUM ?? join(root, '.local/cosmium/bin/server');
const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

/** What the product makes: named paths, and nothing else indexed. */
const definition: Definition = {
  id: 'things',
  partitionKey: { paths: ['/home'] },
  defaultTtl: -1,
  indexingPolicy: {
    includedPaths: ['/at/?', '/kind/?', '/speaker/kind/?', '/participants/[]/?', '/mixed/?'].map((path) => ({ path })),
    excludedPaths: [{ path: '/*' }],
  },
};

const clientOf = (endpoint: string, key: string) => {
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
  closing.push(() => client.dispose());
  return client;
};

async function ours(): Promise<Container> {
  const store = new Store(null);
  store.deploy('db', definition);
  const running = await listen(standIn(store, COSMOS_KEY), 0);
  closing.push(() => store.close(), running.close);
  return clientOf(running.url, COSMOS_KEY).database('db').container('things');
}

async function made(client: CosmosClient): Promise<Container> {
  await client.databases.create({ id: 'db' });
  const { id, partitionKey, indexingPolicy } = definition;
  await client.database('db').containers.create({ id, partitionKey, indexingPolicy: indexingPolicy as never });
  return client.database('db').container('things');
}

async function emulator(): Promise<Container> {
  const running = await listen(cosmosServer.createHttpServer({ keepAlive: true }), 0);
  closing.push(running.close);
  return await made(clientOf(running.url, COSMOS_KEY));
}

async function cosmiumServer(): Promise<Container> {
  const port = await freePort();
  const child: ChildProcess = spawn(
    cosmium,
    ['-Port', String(port), '-DisableTls', '-DisableAuth', '-ExplorerDir', '', '-Persist', ''],
    { stdio: 'ignore' },
  );
  closing.push(() => child.kill());
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries += 1) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      break;
    await sleep(100);
  }
  return await made(clientOf(url, COSMOS_KEY));
}

const things = [
  {
    id: 'a',
    home: 'x',
    at: 10,
    kind: 'red',
    speaker: { kind: 'waiting', since: 3 },
    participants: ['u1', 'u2'],
    text: 'Where is my order?',
  },
  {
    id: 'b',
    home: 'x',
    at: 30,
    kind: 'blue',
    speaker: { kind: 'bot' },
    participants: ['u2'],
    text: '주문은 어디에 있나요?',
  },
  { id: 'c', home: 'x', at: 20, kind: 'red', participants: [], text: null },
  { id: 'd', home: 'y', at: 40, kind: 'green', speaker: { kind: 'waiting', since: 1 }, label: 'refund' },
  { id: 'e', home: 'y', at: -5, kind: 'red', mixed: 'text' },
  { id: 'f', home: 'z', at: 25.5, mixed: 7 },
  { id: 'g', home: 'z', at: 0, kind: 'blue', mixed: null },
  { id: 'h', home: 'z', at: 35, kind: 'blue', mixed: true, by: { id: 'n' } },
];

interface Case {
  query: string;
  values?: Record<string, string | number | boolean | null>;
  partition?: string;
  expected: unknown[];
  /** In any order. */
  unordered?: true;
}

/** What Cosmos DB answers, by its documentation; ids where documents are selected. */
const queries: Case[] = [
  {
    query: 'SELECT VALUE c.id FROM c WHERE c.kind = @kind',
    values: { '@kind': 'red' },
    expected: ['a', 'c', 'e'],
    unordered: true,
  },
  { query: 'SELECT c.id, c.speaker FROM c WHERE c.at = 30', expected: [{ id: 'b', speaker: { kind: 'bot' } }] },
  { query: 'SELECT c.id, c.speaker FROM c WHERE c.at = 20', expected: [{ id: 'c' }] },
  { query: 'SELECT TOP 3 c.id FROM c WHERE c.at > 0 ORDER BY c.at', expected: [{ id: 'a' }, { id: 'c' }, { id: 'f' }] },
  { query: 'SELECT TOP 2 c.id FROM c ORDER BY c.at DESC', expected: [{ id: 'd' }, { id: 'h' }] },
  {
    query: 'SELECT TOP 9 VALUE c.id FROM c WHERE c.at > -10 AND c.at <= 20 ORDER BY c.at',
    expected: ['e', 'g', 'a', 'c'],
  },
  { query: 'SELECT VALUE c.at FROM c WHERE c.at BETWEEN 10 AND 30 ORDER BY c.at DESC', expected: [30, 25.5, 20, 10] },
  { query: 'SELECT VALUE COUNT(1) FROM c WHERE c.speaker.kind = "waiting" AND c.speaker.since > 0', expected: [2] },
  { query: 'SELECT VALUE COUNT(1) FROM c WHERE c.kind = "none"', expected: [0] },
  {
    query: 'SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.participants, @user)',
    values: { '@user': 'u2' },
    expected: ['a', 'b'],
    unordered: true,
  },
  { query: 'SELECT VALUE c.id FROM c WHERE c.at > 0 AND IS_DEFINED(c.label) ORDER BY c.at DESC', expected: ['d'] },
  { query: 'SELECT VALUE c.id FROM c WHERE NOT IS_DEFINED(c.kind)', expected: ['f'] },
  { query: 'SELECT VALUE c.id FROM c WHERE c["by"].id = "n"', expected: ['h'] },
  { query: 'SELECT VALUE c.id FROM c WHERE CONTAINS(c.text, "order", true)', expected: ['a'] },
  { query: 'SELECT VALUE c.id FROM c WHERE CONTAINS(c.text, "어디")', expected: ['b'] },
  {
    query: 'SELECT VALUE c.id FROM c WHERE c.kind IN ("green", "blue") AND c.at < 35',
    expected: ['b', 'g'],
    unordered: true,
  },
  { query: 'SELECT VALUE c.id FROM c WHERE c.kind = "green" OR c.at = 0', expected: ['d', 'g'], unordered: true },
  { query: 'SELECT VALUE c.id FROM c WHERE c.text = null', expected: ['c'] },
  { query: 'SELECT VALUE c.id FROM c WHERE c.mixed = null', expected: ['g'] },
  { query: 'SELECT VALUE c.id FROM c WHERE c.mixed > 5', expected: ['f'] },
  { query: 'SELECT VALUE c.id FROM c WHERE c.mixed > "a"', expected: ['e'] },
  { query: 'SELECT VALUE c.id FROM c WHERE c.label != "cancel"', expected: ['d'] },
  { query: 'SELECT VALUE c.id FROM c WHERE NOT (c.label = "refund")', expected: [] },
  {
    query: `SELECT VALUE c.id FROM c WHERE ((c.kind = 'red' AND c.home = 'x') OR (c.kind = 'blue' AND (NOT IS_DEFINED(c.mixed)))) AND c.at >= 20`,
    expected: ['b', 'c'],
    unordered: true,
  },
  { query: 'SELECT VALUE c.id FROM c WHERE c.id = "e"', expected: ['e'] },
  { query: 'SELECT VALUE c.id FROM c WHERE c.at > 0 ORDER BY c.at', partition: 'z', expected: ['f', 'h'] },
  { query: 'SELECT TOP 1 VALUE c.id FROM c WHERE c.at < 30 ORDER BY c.at DESC', partition: 'x', expected: ['c'] },
  { query: 'SELECT VALUE COUNT(1) FROM c', partition: 'y', expected: [2] },
  // Values of several types have an order: nothing, null, booleans, numbers, texts.
  { query: 'SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.mixed) ORDER BY c.mixed', expected: ['g', 'h', 'f', 'e'] },
];

/** Where the others answer otherwise, and what that shows of them. Taken out when a newer one is right. */
const otherwise: Record<'emulator' | 'cosmium', { queries: string[]; why: string }[]> = {
  emulator: [
    { why: 'CONTAINS has no third argument', queries: ['CONTAINS(c.text, "order", true)'] },
    { why: 'the partition key of a query is ignored', queries: [' of x', ' of y', ' of z'] },
  ],
  cosmium: [
    { why: 'a replacement is not guarded', queries: ['documents'] },
    { why: 'the partition key of a query is ignored', queries: [' of x', ' of y', ' of z'] },
    {
      why: 'numbers of a query are compared with stored ones as if they were of another type',
      queries: ['c.at > 0 ORDER', 'c.at >= 20', 'c.at > -10', 'c.at =', 'c.at <', 'c.at BETWEEN', '> 5'],
    },
    {
      why: 'what is missing counts as null, and takes part in comparisons',
      queries: ['= null', '!= "cancel"', 'NOT (c.label', '> "a"'],
    },
    { why: 'values of several types have another order', queries: ['ORDER BY c.mixed'] },
    { why: 'nothing is counted as nothing at all, not as 0', queries: ['c.kind = "none"'] },
    { why: 'a document without the array is an error', queries: ['ARRAY_CONTAINS'] },
  ],
};

const refused = [
  'SELECT * FROM c WHERE c.at >',
  'SELECT VALUE x.id FROM c',
  'SELECT VALUE NO_SUCH(c.id) FROM c',
  'SELECT VALUE c.id FROM c WHERE c.at = @missing',
];

const servers = [
  { name: 'stand-in', open: ours, there: true },
  { name: 'emulator', open: emulator, there: true },
  { name: 'cosmium', open: cosmiumServer, there: existsSync(cosmium) },
] as const;

for (const { name, open, there } of servers)
  describe(name, { skip: there ? false : 'scripts/check/cosmium.sh builds it where Go is' }, async () => {
    if (!there) return;
    const container = await open();
    for (const thing of things) await container.items.create(thing);

    const whyNot = (title: string) =>
      name === 'stand-in'
        ? undefined
        : otherwise[name].find(({ queries }) => queries.some((part) => title.includes(part)))?.why;

    test('documents: made once, read, replaced by who has read them last, removed', async () => {
      const why = whyNot('documents');
      if (why) await assert.rejects(documents(), Error, `it does rightly now: ${why}`);
      else await documents();
      await container
        .item('one', 'x')
        .delete()
        .catch(() => {});
    });

    async function documents() {
      const item = container.item('one', 'x');
      const status = async (work: Promise<{ statusCode: number }>) =>
        await work.then(
          ({ statusCode }) => statusCode,
          (error: ErrorResponse) => error.code,
        );
      assert.equal((await item.read()).statusCode, 404);
      const { etag: first, statusCode } = await container.items.create({ id: 'one', home: 'x', n: 1 });
      assert.equal(statusCode, 201);
      assert.equal(await status(container.items.create({ id: 'one', home: 'x', n: 2 })), 409);
      const guarded = (etag: string) => ({ accessCondition: { type: 'IfMatch', condition: etag } });
      const { etag: second } = await item.replace({ id: 'one', home: 'x', n: 3 }, guarded(first));
      assert.notEqual(second, first);
      assert.equal(await status(item.replace({ id: 'one', home: 'x', n: 4 }, guarded(first))), 412);
      assert.equal((await item.read()).resource.n, 3);
      assert.equal((await container.item('one', 'y').read()).statusCode, 404, 'of another partition');
      assert.equal(await status(item.delete(guarded(first))), 412);
      assert.equal(await status(item.delete(guarded(second))), 204);
      assert.equal(await status(item.delete()), 404);
      assert.equal(await status(item.replace({ id: 'one', home: 'x' })), 404);
      assert.ok((await container.items.upsert({ id: 'one', home: 'x', n: 5 })).statusCode < 300);
      assert.equal(await status(item.delete()), 204);
    }

    for (const { query, values = {}, partition, expected, unordered } of queries) {
      const title = `${query}${partition ? ` of ${partition}` : ''}`;
      const why = whyNot(title);
      test(title, async () => {
        const parameters = Object.entries(values).map(([name, value]) => ({ name, value }));
        const options = partition ? { partitionKey: partition } : {};
        const ask = async () => (await container.items.query({ query, parameters }, options).fetchAll()).resources;
        const found = await ask().catch((error: Error) => error);
        const sorted = unordered && Array.isArray(found) ? [...found].sort() : found;
        if (why) assert.notDeepEqual(sorted, expected, `it answers rightly now: ${why}`);
        else assert.deepEqual(sorted, expected);
      });
    }

    test('all documents, page by page', async () => {
      const pages = container.items.readAll<{ id: string }>({ maxItemCount: 3 });
      const found: string[] = [];
      while (pages.hasMoreResults()) found.push(...((await pages.fetchNext()).resources ?? []).map(({ id }) => id));
      assert.deepEqual(
        found.sort(),
        things.map(({ id }) => id),
      );
    });
  });

describe('what the service refuses, and the others do not', async () => {
  const container = await ours();
  for (const thing of things) await container.items.create(thing);
  const code = async (work: Promise<unknown>) =>
    await work.then(
      () => 'done',
      (error: ErrorResponse) => Number(error.code),
    );

  for (const query of refused)
    test(query, async () => assert.equal(await code(container.items.query(query).fetchAll()), 400));

  test('an order that no index has', async () => {
    assert.equal(await code(container.items.query('SELECT * FROM c ORDER BY c.text').fetchAll()), 400);
    assert.equal(await code(container.items.query('SELECT * FROM c ORDER BY c.at, c.kind').fetchAll()), 400);
  });

  test('SQL that the product does not use is refused, and not answered wrongly', async () => {
    for (const query of [
      'SELECT DISTINCT c.kind FROM c',
      'SELECT c.kind FROM c GROUP BY c.kind',
      'SELECT VALUE MAX(c.at) FROM c',
      'SELECT * FROM c OFFSET 1 LIMIT 1',
      'SELECT * FROM c JOIN p IN c.participants',
      'SELECT c.by FROM c',
      'SELECT * FROM c WHERE c.text LIKE "%a%"',
    ])
      assert.equal(await code(container.items.query(query).fetchAll()), 400, query);
    const batch = [{ operationType: 'Create' as const, resourceBody: { id: 'n', home: 'x' } }];
    assert.notEqual(await code(container.items.batch(batch, 'x')), 'done');
    assert.equal(await code(container.item('a', 'x').patch([{ op: 'add', path: '/n', value: 1 }])), 405);
  });

  test('a container or database, which only a deployment makes', async () => {
    assert.equal(await code(container.database.containers.create({ id: 'more' })), 403);
    assert.equal(await code(container.delete()), 403);
  });

  test('another key', async () => {
    const endpoint = container.url.slice(0, container.url.indexOf('/dbs'));
    const client = clientOf(
      endpoint.startsWith('http') ? endpoint : (await container.database.client.getReadEndpoint())!,
      Buffer.from('other').toString('base64'),
    );
    assert.equal(await code(client.database('db').container('things').item('a', 'x').read()), 401);
  });

  test('ids that would be another address, a time to live that is none, and more than 2 MiB', async () => {
    for (const id of ['a/b', 'a\\b', 'a?b', 'a#b', 'a ', '', 'x'.repeat(1_024)])
      assert.notEqual(
        await code(container.items.create({ id, home: 'x' }, { disableAutomaticIdGeneration: true })),
        'done',
        id,
      );
    assert.equal(await code(container.items.create({ id: 't', home: 'x', ttl: 0 })), 400);
    assert.equal(await code(container.items.create({ id: 'l', home: 'x', text: 'x'.repeat(2 * 1_024 * 1_024) })), 413);
  });
});

test('pages of an ordered query go on where they ended, whatever is written meanwhile', async () => {
  const store = new Store(null);
  store.deploy('db', definition);
  const running = await listen(standIn(store, COSMOS_KEY), 0);
  closing.push(() => store.close(), running.close);
  const container = clientOf(running.url, COSMOS_KEY).database('db').container('things');
  for (let at = 0; at < 50; at += 1) await container.items.create({ id: `n${at}`, home: 'x', at: at % 7 });
  const found: string[] = [];
  let continuationToken: string | undefined;
  do {
    const page = await container.items
      .query<string>('SELECT TOP 40 VALUE c.id FROM c ORDER BY c.at DESC', {
        partitionKey: 'x',
        maxItemCount: 7,
        ...(continuationToken ? { continuationToken } : {}),
      })
      .fetchNext();
    found.push(...page.resources);
    continuationToken = page.continuationToken;
    await container.items.create({ id: `later${found.length}`, home: 'x', at: 100 });
  } while (continuationToken);
  assert.equal(found.length, 40, 'as many as TOP says');
  assert.equal(new Set(found).size, 40, 'none twice');
  assert.ok(
    found.every((id) => id.startsWith('n')),
    'what came before where it is now is not seen',
  );
});

test('what is in a file is there again, with other indexes where they were changed; what has ended is not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'maru-cosmos-'));
  closing.push(() => rm(folder, { recursive: true }));
  const file = join(folder, 'cosmos.db');
  const before = new Store(file);
  before.deploy('db', definition);
  before.write('db', 'things', '["x"]', { id: 'stays', at: 1, text: 'b' } as never, { kind: 'create' });
  before.write('db', 'things', '["x"]', { id: 'ends', at: 2, ttl: 1 } as never, { kind: 'create' });
  before.close();
  await sleep(1_100);
  const store = new Store(file);
  const indexingPolicy = { ...definition.indexingPolicy, includedPaths: [{ path: '/text/?' }] };
  store.deploy('db', { ...definition, indexingPolicy });
  const running = await listen(standIn(store, COSMOS_KEY), 0);
  closing.push(() => store.close(), running.close);
  const container = clientOf(running.url, COSMOS_KEY).database('db').container('things');
  const { resources } = await container.items
    .query('SELECT VALUE c.id FROM c WHERE c.text > "a" ORDER BY c.text')
    .fetchAll();
  assert.deepEqual(resources, ['stays']);
  const all = (await container.items.readAll<{ id: string }>().fetchAll()).resources;
  assert.deepEqual(
    all.map(({ id }) => id),
    ['stays'],
    'not seen, before it is taken away',
  );
  assert.equal((await container.item('ends', 'x').read()).statusCode, 404);
  assert.equal((await container.items.create({ id: 'ends', home: 'x' })).statusCode, 201, 'its name is free');
});

test('a query that an index answers loads what it selects; request units say what one costs that none does', async () => {
  const store = new Store(null);
  store.deploy('db', definition);
  for (let at = 0; at < 2_000; at += 1)
    store.write('db', 'things', '["x"]', { id: `n${at}`, at, text: 'x'.repeat(500), kind: 'k' } as never, {
      kind: 'create',
    });
  const running = await listen(standIn(store, COSMOS_KEY), 0);
  closing.push(() => store.close(), running.close);
  const container = clientOf(running.url, COSMOS_KEY).database('db').container('things');
  const units = async (query: string) =>
    (await container.items.query(query, { partitionKey: 'x' }).fetchAll()).requestCharge;
  const indexed = await units('SELECT TOP 10 VALUE c.id FROM c WHERE c.at > 100 ORDER BY c.at DESC');
  const scanned = await units('SELECT VALUE c.id FROM c WHERE c.text = "nothing"');
  assert.ok(indexed < 5, `${indexed}`);
  assert.ok(scanned > 100, `${scanned}`);
});
