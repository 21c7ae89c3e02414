import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { QueueServiceClient } from '@azure/storage-queue';
import { type Azurite, startAzurite } from '../../scripts/local/azurite.ts';
import { functions, install } from '../../scripts/local/functions-core.ts';
import { httpTrigger } from '../../scripts/local/http-trigger.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { QueueTrigger } from '../../scripts/local/queue-trigger.ts';
import { eventually } from '../platform/fixture.ts';

/** The rules of the Functions host that its stand-in keeps, shown with a little app of its own. */
install();
const { app } = await import('@azure/functions');

const of = (name: string) => seen.filter(({ queue }) => queue === name);
const seen: { queue: string; entry: unknown; count: unknown }[] = [];
for (const name of ['work', 'work-poison', 'fails', 'fails-poison', 'broken-poison'])
  app.storageQueue(name, {
    queueName: name,
    connection: 'STORAGE',
    handler: (entry, context) => {
      seen.push({ queue: name, entry, count: context.triggerMetadata?.dequeueCount });
      if (name === 'fails' || name === 'broken-poison') throw new Error('no');
    },
  });
for (const [name, route, authLevel] of [
  ['b-fixed', 'items/fixed', 'anonymous'],
  ['a-any', 'items/{id}', 'anonymous'],
  ['c-fixed', 'fixed/one', 'anonymous'],
  ['d-any', 'fixed/{id}', 'anonymous'],
  ['keyed', 'keyed', 'function'],
] as const)
  app.http(name, {
    route,
    authLevel,
    methods: ['GET', 'POST'],
    handler: async (request) => ({ body: `${name} ${await request.text()}` }),
  });

describe('the queue trigger', () => {
  let azurite: Azurite;
  let service: QueueServiceClient;
  let folder: string;
  const running: QueueTrigger[] = [];
  const start = async (name: string) => {
    const trigger = new QueueTrigger(service, name, functions.get(name)!, {
      maxPollingInterval: 100,
      visibilityTimeout: 0,
      batchSize: 16,
      newBatchThreshold: 8,
      maxDequeueCount: 3,
    });
    await trigger.start();
    running.push(trigger);
    return service.getQueueClient(name);
  };
  const left = async (name: string) =>
    (await service.getQueueClient(name).getProperties()).approximateMessagesCount ?? 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'maru-triggers-'));
    const [blob, queue, table] = [await freePort(), await freePort(), await freePort()];
    azurite = await startAzurite({ blob, queue, table }, folder, folder);
    service = QueueServiceClient.fromConnectionString(azurite.connection);
  });
  after(async () => {
    await Promise.all(running.map((trigger) => trigger.stop()));
    await azurite?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('deletes what worked; JSON comes as what it says, other text as it is', async () => {
    const queue = await start('work');
    await queue.sendMessage('{"turn": 1}');
    await queue.sendMessage('not JSON');
    await eventually(async () => of('work').length >= 2 && (await left('work')) === 0);
    assert.deepEqual(
      of('work')
        .map(({ entry }) => JSON.stringify(entry))
        .sort(),
      ['"not JSON"', '{"turn":1}'],
    );
  });

  test('moves what failed on its last dequeue to the poison queue', async () => {
    const queue = await start('fails');
    await start('fails-poison');
    await queue.sendMessage('one');
    await eventually(
      async () => of('fails-poison').length > 0 && (await left('fails')) + (await left('fails-poison')) === 0,
    );
    assert.deepEqual(
      of('fails').map(({ count }) => count),
      [1, 2, 3],
    );
    assert.equal(of('fails-poison').length, 1);
  });

  test('a message of a poison queue that fails stays, unseen until its lease ends', async () => {
    const queue = await start('broken-poison');
    await queue.sendMessage('one');
    await eventually(async () => of('broken-poison').length > 0);
    await new Promise((done) => setTimeout(done, 3_000));
    assert.equal(of('broken-poison').length, 1);
    assert.equal(await left('broken-poison'), 1);
    assert.equal((await queue.peekMessages()).peekedMessageItems.length, 0);
    assert.equal(await service.getQueueClient('broken-poison-poison').exists(), false);
  });
});

describe('the HTTP trigger', () => {
  const server = httpTrigger([...functions.values()], '', 'the key');
  let origin: string;
  before(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  test('tries routes in the order of their functions’ names, however fixed they are', async () => {
    assert.equal(await (await fetch(`${origin}/items/fixed`)).text(), 'a-any ');
    assert.equal(await (await fetch(`${origin}/fixed/one`)).text(), 'c-fixed ');
    assert.equal((await fetch(`${origin}/nothing`)).status, 404);
  });

  test('asks for a key where a function says so', async () => {
    assert.equal((await fetch(`${origin}/keyed`)).status, 401);
    assert.equal((await fetch(`${origin}/keyed?code=another`)).status, 401);
    assert.equal(await (await fetch(`${origin}/keyed?code=the%20key`)).text(), 'keyed ');
    assert.equal(
      await (await fetch(`${origin}/keyed`, { headers: { 'x-functions-key': 'the key' } })).text(),
      'keyed ',
    );
  });

  test('passes a body on only where its length is said', async () => {
    assert.equal(await (await fetch(`${origin}/fixed/one`, { method: 'POST', body: 'hello' })).text(), 'c-fixed hello');
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    socket.end(
      'POST /fixed/one HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    );
    const answer = Buffer.concat(await Array.fromAsync(socket)).toString();
    assert.match(answer, /^HTTP\/1\.1 200/);
    assert.match(answer, /c-fixed $/);
  });
});
