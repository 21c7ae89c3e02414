import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { blobContainers, containers, queues } from '../../../functions/services/stores.ts';
import { COSMOS_KEY, startCosmos } from '../../../scripts/local/cosmos.ts';

const root = join(import.meta.dirname, '../../..');
const code = globSync('functions/**/*.ts', { cwd: root }).map((file) => ({
  file,
  text: readFileSync(join(root, file), 'utf8'),
}));

test('what is written is in the record: containers of documents, queues, containers of blobs', () => {
  const found = { containers: new Set<string>(), queues: new Set<string>(), blobs: new Set<string>() };
  for (const { text } of code) {
    for (const [, name] of text.matchAll(/new Documents<.*?>\('([\w-]+)'\)/g)) found.containers.add(name!);
    for (const [, name] of text.matchAll(/getContainerClient\('([\w-]+)'\)/g)) found.blobs.add(name!);
    for (const [, name] of text.matchAll(/\b(?:send|queue)\('[\w-]*'?,? ?'?([\w-]+)'/g))
      if (queues.includes(name!)) found.queues.add(name!);
  }
  assert.deepEqual([...found.containers].sort(), Object.keys(containers).sort());
  for (const name of found.blobs) assert.ok(name in blobContainers, name);
  assert.ok(found.blobs.has('attachments'));
  for (const name of ['turns', 'replies', 'call-log', 'releases']) assert.ok(queues.includes(name), name);
});

test('only the service of documents talks to the database, and only erasure and export go over all of it', () => {
  for (const { file, text } of code) {
    if (/@azure\/cosmos/.test(text)) assert.equal(file, 'functions/services/documents.ts');
    if (/@azure\/storage-blob/.test(text)) assert.equal(file, 'functions/services/blobs.ts');
    if (/@azure\/storage-queue/.test(text)) assert.equal(file, 'functions/services/queues.ts');
  }
});

test('each store says what it holds of a user, and how that is found; what holds a text does not stay for ever', () => {
  for (const [name, { user, days }] of Object.entries(containers)) {
    if (user === null) continue;
    assert.ok(user.holds.length > 20, name);
    if (user.exported) assert.ok(user.found, `${name} can't be exported if it can't be found`);
    if (user.exported) assert.notEqual(days, null, `${name} has no end`);
  }
  assert.ok(blobContainers.attachments.days > 0);
});

test('a document is written with the time that it stays, counted from its last write, and goes when that is over', async () => {
  const cosmos = await startCosmos(0, 'maru', null);
  try {
    Object.assign(process.env, {
      COSMOS_ENDPOINT: cosmos.url,
      COSMOS_KEY,
      STORAGE_CONNECTION: 'unused',
      INFERENCE_URL: 'http://127.0.0.1:9',
      SHOP_URL: 'http://127.0.0.1:9',
      CALL_LOG_DAYS: '7',
    });
    const { Documents } = await import('../../../functions/services/documents.ts');
    const incidents = new Documents<{ id: string; note?: string; ttl?: number }>('incidents');
    await incidents.put({ id: 'one' });
    const raw = cosmos.client.database('maru').container('incidents');
    assert.equal((await raw.item('one', 'one').read()).resource.ttl, 7 * 86_400);
    assert.deepEqual((await incidents.read('one'))!.document, { id: 'one' }, 'that is no part of the document');
    // As real Cosmos DB does: gone when its seconds are over, unless it was written meanwhile.
    for (const id of ['short', 'renewed']) await raw.items.create({ id, ttl: 2 });
    await sleep(1_200);
    await raw.items.upsert({ id: 'renewed', ttl: 3 });
    await sleep(2_300);
    assert.equal((await raw.item('short', 'short').read()).statusCode, 404);
    assert.equal((await raw.item('renewed', 'renewed').read()).statusCode, 200);
    await sleep(2_200);
    assert.equal((await raw.item('renewed', 'renewed').read()).statusCode, 404);
    assert.equal((await raw.item('one', 'one').read()).statusCode, 200);
  } finally {
    await cosmos.close();
  }
});
