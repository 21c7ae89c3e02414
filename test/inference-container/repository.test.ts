import assert from 'node:assert/strict';
import { cp, link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobServiceClient } from '@azure/storage-blob';
import { type Azurite, startAzurite } from '../../scripts/local/azurite.ts';
import { freePorts } from '../../scripts/local/ports.ts';
import { call, eventually, index, infer, metric, refused, type Served, serve, sha256, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** The model repository: versions, policies, loading and unloading, and all that a folder may have wrong. */
let root = '';
let folder = '';
let server: Served;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'maru-repository-'));
  folder = join(root, 'models');
  await writeModel(folder, 'steady', '1', models.plus(1));
  await writeModel(folder, 'slow', '1', models.slow());
  server = await serve(folder);
});

after(async () => {
  await server?.stop();
  await rm(root, { recursive: true, force: true });
});

const load = (name: string) => call(server, 'POST', `/v2/repository/models/${name}/load`);
const unload = (name: string) => call(server, 'POST', `/v2/repository/models/${name}/unload`);
const one = [{ name: 'x', datatype: 'INT64', shape: [1], data: [1] }];
const ids = (...data: number[]) => [{ name: 'ids', datatype: 'INT64', shape: [data.length], data }];

/** What the newest version answers to 1. */
async function answered(name: string): Promise<number> {
  const { status, body, text } = await infer(server, name, one);
  assert.equal(status, 200, text);
  return body.outputs[0].data[0];
}

async function states(name: string): Promise<Record<string, string>> {
  return Object.fromEntries((await index(server, name)).map(({ version, state }) => [version, state]));
}

/** The model can't be loaded; the API and the index say why. */
async function unloadable(name: string, says = /./): Promise<void> {
  refused(await load(name), 400, says);
  const [entry] = await index(server, name);
  assert.equal(entry?.state, 'UNAVAILABLE');
  assert.match(entry.reason, says);
  refused(await call(server, 'GET', `/v2/models/${name}`), 404);
  assert.equal(await answered('steady'), 2);
}

test('the index has every model with version, state and reason; on request only those that are ready', async () => {
  await writeModel(folder, 'hopeless', '1', 'no model');
  await load('hopeless');
  const all = await index(server);
  const keys = ['name', 'reason', 'state', 'version'];
  for (const entry of all)
    assert.deepEqual(Object.keys(entry).sort(), entry.state === 'READY' ? ['batching', ...keys] : keys);
  assert.deepEqual(
    all.find(({ name }) => name === 'steady'),
    { name: 'steady', version: '1', state: 'READY', reason: '', batching: 'proven' },
  );
  assert.ok(all.some(({ name, state }) => name === 'hopeless' && state === 'UNAVAILABLE'));
  const ready = (await call(server, 'POST', '/v2/repository/index', { ready: true })).body as { state: string }[];
  assert.ok(ready.length > 0 && ready.every(({ state }) => state === 'READY'));
  assert.equal((await call(server, 'POST', '/v2/repository/index')).status, 200);
  refused(await call(server, 'POST', '/v2/repository/index', '{'), 400);
});

test('a model is loaded, unloaded and loaded again by name', async () => {
  await writeModel(folder, 'guest', '1', models.plus(1));
  refused(await infer(server, 'guest', one), 404);
  assert.equal((await load('guest')).status, 200);
  assert.equal(await answered('guest'), 2);
  assert.equal(await metric(server, 'maru_models_loaded', { model: 'guest' }), 1);
  assert.equal((await unload('guest')).status, 200);
  refused(await infer(server, 'guest', one), 404);
  refused(await call(server, 'GET', '/v2/models/guest/ready'), 404);
  assert.equal(await metric(server, 'maru_models_loaded', { model: 'guest' }), 0);
  const withParameters = { parameters: { unload_dependents: false } };
  assert.equal((await call(server, 'POST', '/v2/repository/models/guest/load', withParameters)).status, 200);
  assert.equal(await answered('guest'), 2);
});

test('an unloaded model stays in the index, as one that could be loaded', async () => {
  await writeModel(folder, 'resting', '1', models.plus(1));
  await load('resting');
  await unload('resting');
  assert.deepEqual(await states('resting'), { 1: 'UNAVAILABLE' });
  await load('resting');
  assert.deepEqual(await states('resting'), { 1: 'READY' });
});

test('models that are not there can be neither loaded nor unloaded', async () => {
  refused(await load('nobody'), 400, /nobody/);
  const answer = await unload('nobody');
  assert.ok(answer.status === 400 || answer.status === 404);
  refused(answer, answer.status, /nobody/);
});

test('the newest version takes over, by number and not by letter', async () => {
  await writeModel(folder, 'growing', '9', models.plus(9));
  await load('growing');
  await writeModel(folder, 'growing', '10', models.plus(10));
  await load('growing');
  assert.equal(await answered('growing'), 11);
  assert.equal((await states('growing'))[10], 'READY');
  assert.notEqual((await states('growing'))[9], 'READY');
});

test('config.json says which versions are served', async () => {
  for (const version of ['1', '2', '3']) await writeModel(folder, 'kept', version, models.plus(Number(version)));
  const served = async (policy: unknown) => {
    const text = typeof policy === 'string' ? policy : JSON.stringify(policy);
    await writeFile(join(folder, 'kept/config.json'), text);
    await load('kept');
    const { body } = await call(server, 'GET', '/v2/models/kept');
    return body.versions;
  };
  assert.deepEqual(await served({ versions: 'all' }), ['1', '2', '3']);
  assert.deepEqual(await served({ versions: { latest: 2 } }), ['2', '3']);
  assert.deepEqual(await served({ versions: { only: ['1'] } }), ['1']);
  assert.equal(await answered('kept'), 2);
  assert.deepEqual(await served({ versions: { latest: 1 } }), ['3']);
  // One that can't be understood is as none.
  assert.deepEqual(await served('{'), ['3']);
  assert.deepEqual(await served({ versions: { only: ['../3'] } }), ['3']);
});

test('a broken new version leaves the old one serving and says why; the next good one takes over', async () => {
  await writeModel(folder, 'careful', '1', models.plus(1));
  await load('careful');
  await writeModel(folder, 'careful', '2', models.plus(2).subarray(0, 40));
  await load('careful');
  assert.equal(await answered('careful'), 2);
  const entries = await index(server, 'careful');
  assert.equal(entries.find(({ version }) => version === '1')?.state, 'READY');
  const broken = entries.find(({ version }) => version === '2');
  assert.equal(broken?.state, 'UNAVAILABLE');
  assert.match(broken.reason, /model\.onnx|ONNX/i);
  await writeModel(folder, 'careful', '3', models.plus(3));
  await load('careful');
  assert.equal(await answered('careful'), 4);
});

test('loading fails aloud when the version that it is about is broken, though an old one serves', async () => {
  await writeModel(folder, 'loud', '1', models.plus(1));
  await load('loud');
  await writeModel(folder, 'loud', '2', '');
  refused(await load('loud'), 400, /2/);
  assert.equal(await answered('loud'), 2);
});

const corrupt: Record<string, () => string | Uint8Array> = {
  empty: () => '',
  'not-protobuf': () => 'this is a text, and no model',
  truncated: () => models.embedding().subarray(0, 20_000),
  'cut-short': () => models.plus(1).subarray(0, -1),
  'all-zero': () => new Uint8Array(1_000),
  'all-ones': () => new Uint8Array(1_000).fill(255),
  'of-the-future': () => models.ofTheFuture(),
  'unknown-operator': () => models.unknownOperator(),
  'no-graph': () => Uint8Array.of(8, 8),
};

for (const [name, bytes] of Object.entries(corrupt))
  test(`a model that is ${name} is not loaded, and the others serve on`, async () => {
    await writeModel(folder, name, '1', bytes());
    await unloadable(name);
  });

test('a version without a model is not loaded', async () => {
  await mkdir(join(folder, 'hollow/1'), { recursive: true });
  await unloadable('hollow');
  await mkdir(join(folder, 'nested/1/model.onnx'), { recursive: true });
  await unloadable('nested');
});

test('files that do not have the checksum of model.json are refused', async () => {
  const model = models.plus(1);
  const { files } = models.textPackage;
  const right = { 'model.onnx': sha256(model) };
  await writeModel(folder, 'right-sum', '1', model, { manifest: { files: right } });
  assert.equal((await load('right-sum')).status, 200);
  await writeModel(folder, 'wrong-sum', '1', models.plus(2), { manifest: { files: right } });
  await unloadable('wrong-sum', /model\.onnx.*checksum/);
  const tokenizer = { 'model.onnx': sha256(models.text()), 'tokenizer.json': sha256('another') };
  const manifest = { ...models.textPackage.manifest, files: tokenizer };
  await writeModel(folder, 'wrong-tokenizer', '1', models.text(), { manifest, files });
  await unloadable('wrong-tokenizer', /tokenizer\.json.*checksum/);
  await writeModel(folder, 'missing-file', '1', model, {
    manifest: { files: { ...right, 'weights.bin': sha256('') } },
  });
  await unloadable('missing-file', /weights\.bin/);
});

test('a version whose bytes change while it is away does not come back', async () => {
  const target = await writeModel(folder, 'changed', '1', models.plus(1));
  await load('changed');
  assert.equal(await answered('changed'), 2);
  await unload('changed');
  await writeFile(join(target, 'model.onnx'), models.plus(2));
  await unloadable('changed', /checksum/);
});

test('a version whose external weights change while it is away does not come back', async () => {
  const files = { 'weights.bin': models.externalWeights() };
  const target = await writeModel(folder, 'changed-weights', '1', models.external('weights.bin'), { files });
  assert.equal((await load('changed-weights')).status, 200);
  assert.equal((await infer(server, 'changed-weights', ids(0))).status, 200);
  await unload('changed-weights');
  await writeFile(join(target, 'weights.bin'), models.externalWeights(2));
  await unloadable('changed-weights', /checksum/);
});

test('a model.json that is wrong is refused, and what is wrong is said', async () => {
  const wrong: [string, object | string, RegExp][] = [
    ['other-name', { name: 'steady' }, /other-name|steady/],
    ['other-version', { version: '2' }, /2/],
    ['other-task', { task: 'divination' }, /task/],
    ['no-preprocessing', { task: 'text-classification' }, /preprocessing/],
    ['path-in-preprocessing', { preprocessing: { kind: 'tokenizer', tokenizer: '../tokenizer.json' } }, /tokenizer/],
    ['path-in-files', { files: { '../steady/1/model.onnx': sha256('') } }, /files/],
    ['bad-sum', { files: { 'model.onnx': 'md5:1' } }, /files/],
    ['bad-threshold', { threshold: 2 }, /threshold/],
  ];
  for (const [name, manifest, says] of wrong) {
    await writeModel(folder, name, '1', models.plus(1), { manifest: manifest as object });
    await unloadable(name, says);
  }
  await writeModel(folder, 'no-json', '1', models.plus(1), { files: { 'model.json': '{' } });
  await unloadable('no-json', /model\.json/);
});

test('names that lead out of the repository lead nowhere', async () => {
  await writeModel(root, 'outside', '1', models.plus(1));
  const names = [
    '..%2Foutside',
    '..',
    '.',
    '%2e%2e%2foutside',
    '..%5Coutside',
    'steady%2F1',
    '%00',
    'a%00b',
    'x'.repeat(300),
  ];
  for (const name of names)
    for (const action of ['load', 'unload']) {
      const answer = await call(server, 'POST', `/v2/repository/models/${name}/${action}`);
      assert.ok(answer.status === 400 || answer.status === 404, `${name} ${action}: ${answer.status}`);
    }
  refused(await call(server, 'GET', '/v2/models/..%2Foutside'), 404);
  refused(await infer(server, 'steady/versions/..%2F..%2F..%2Foutside%2F1', one), 404);
  assert.ok((await index(server)).every(({ name }) => !name.includes('outside')));
});

test('a folder with a dot in front is one that is still being written: not even its name loads it', async () => {
  await writeModel(folder, '.draft', '1', models.plus(1));
  refused(await load('.draft'), 400);
  await mkdir(join(folder, 'written'), { recursive: true });
  await cp(join(folder, 'steady/1'), join(folder, 'written/.1.tmp'), { recursive: true });
  refused(await load('written'), 400);
});

test('weights in another file of the folder are read', async () => {
  const files = { 'weights.bin': models.externalWeights() };
  await writeModel(folder, 'external', '1', models.external('weights.bin'), { files });
  assert.equal((await load('external')).status, 200);
  assert.deepEqual((await infer(server, 'external', ids(0, 3))).body.outputs[0].data, [0, 1, 6, 7]);
  await writeModel(folder, 'external-lost', '1', models.external('weights.bin'));
  await unloadable('external-lost');
});

test('weights outside of the folder are not read', async () => {
  const outside = join(root, 'secret.bin');
  await writeFile(outside, models.externalWeights());
  await writeFile(join(folder, 'secret.bin'), models.externalWeights());
  for (const [place, location] of [
    '../../../secret.bin',
    '../../secret.bin',
    'x/../../../secret.bin',
    outside,
  ].entries()) {
    await writeModel(folder, `leaving-${place}`, '1', models.external(location), { files: { x: '' } });
    await unloadable(`leaving-${place}`);
  }
});

test('a model of more than 64 MB in one file is mapped, exact, and checked while it serves', async () => {
  const bytes = models.large();
  const target = await writeModel(folder, 'large', '1', bytes);
  const wrong = join(folder, 'large-wrong/1');
  await mkdir(wrong, { recursive: true });
  await link(join(target, 'model.onnx'), join(wrong, 'model.onnx'));
  const manifest = { name: 'large-wrong', version: '1', files: { 'model.onnx': sha256('another') } };
  await writeFile(join(wrong, 'model.json'), JSON.stringify(manifest));

  assert.equal((await load('large')).status, 200);
  const rows = [0, 1, 12_345, models.LARGE_ROWS - 1];
  const { body } = await infer(server, 'large', ids(...rows));
  const expected = rows.flatMap((row) => Array.from({ length: 64 }, (_, column) => Math.fround(row + column / 64)));
  assert.deepEqual(body.outputs[0].data, expected);
  refused(await infer(server, 'large', ids(models.LARGE_ROWS)), 400);
  if (process.platform === 'linux')
    assert.match(await readFile('/proc/self/maps', 'utf8'), /\.mapped\/\d+-\d+\/model\.onnx/, 'a copy of it is mapped');

  // Served at once, and withdrawn when its bytes have been read.
  await load('large-wrong');
  await eventually(async () => (await states('large-wrong'))[1] === 'UNAVAILABLE');
  assert.match((await index(server, 'large-wrong'))[0]!.reason, /checksum/);
  refused(await infer(server, 'large-wrong', ids(0)), 404);

  await writeModel(folder, 'large-cut', '1', bytes.subarray(0, -1_000));
  await unloadable('large-cut');
  await unload('large');
  for (const name of ['large', 'large-wrong', 'large-cut']) await rm(join(folder, name), { recursive: true });
});

test('a large model can no more read weights outside of its folder than a small one', async () => {
  await writeFile(join(root, 'secret.bin'), new Uint8Array(256));
  for (const [place, location] of ['../../../secret.bin', join(root, 'secret.bin')].entries()) {
    await writeModel(folder, `large-leaving-${place}`, '1', models.large(location));
    await unloadable(`large-leaving-${place}`);
    await rm(join(folder, `large-leaving-${place}`), { recursive: true });
  }
});

test('unloading waits for what is in flight', async () => {
  const order: string[] = [];
  const x = [{ name: 'x', datatype: 'INT64', shape: [1], data: [1_500] }];
  const running = infer(server, 'slow', x).then((answer) => {
    order.push('answered');
    return answer;
  });
  await sleep(100);
  const leaving = unload('slow').then((answer) => {
    order.push('unloaded');
    return answer;
  });
  await sleep(20);
  refused(await infer(server, 'slow', x), 404);
  assert.equal((await running).status, 200);
  assert.equal((await leaving).status, 200);
  assert.deepEqual(order, ['answered', 'unloaded']);
});

/** Sends the head and half of the body, waits for `meanwhile`, sends the rest. */
async function interrupted(name: string, meanwhile: () => Promise<unknown>): Promise<{ status: number; text: string }> {
  const body = JSON.stringify({ inputs: one });
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const sending = request(`${server.url}/v2/models/${name}/infer`, { method: 'POST', headers });
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    sending.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
  });
  sending.write(body.slice(0, 20));
  await sleep(50);
  await meanwhile();
  sending.end(body.slice(20));
  return await answer;
}

test('a request that was arriving while its version was replaced is answered', async () => {
  await writeModel(folder, 'relay', '1', models.plus(1));
  await load('relay');
  const { status, text } = await interrupted('relay', async () => {
    await writeModel(folder, 'relay', '2', models.plus(2));
    await load('relay');
  });
  assert.equal(status, 200, text);
});

test('a request that was arriving while its model was unloaded is answered, or is told that it is gone', async () => {
  await writeModel(folder, 'leaver', '1', models.plus(1));
  await load('leaver');
  const { status, text } = await interrupted('leaver', () => unload('leaver'));
  assert.ok(status === 200 || status === 404, `${status} ${text}`);
});

test('versions change under load without a wrong answer or an error', async () => {
  await writeModel(folder, 'busy', '1', models.plus(1));
  await load('busy');
  let ended = false;
  const seen = new Set<string>();
  const clients = Array.from({ length: 8 }, async () => {
    let newest = 0;
    while (!ended) {
      const { status, body, text } = await infer(server, 'busy', one);
      assert.equal(status, 200, text);
      const version = Number(body.model_version);
      assert.equal(body.outputs[0].data[0], 1 + version);
      assert.ok(version >= newest, 'versions do not go back');
      newest = version;
      seen.add(body.model_version);
    }
  });
  for (let version = 2; version <= 6; version += 1) {
    await writeModel(folder, 'busy', String(version), models.plus(version));
    assert.equal((await load('busy')).status, 200);
    await sleep(50);
  }
  ended = true;
  await Promise.all(clients);
  assert.ok(seen.has('1') && seen.has('6'), [...seen].join());
});

test('a watched repository is followed: new models, new versions, and those that are gone', async () => {
  const watched = join(root, 'watched');
  await writeModel(watched, 'first', '1', models.plus(1));
  const follower = await serve(watched, { settings: { MODEL_WATCH_SECONDS: '1' } });
  try {
    await writeModel(watched, 'second', '1', models.plus(1));
    await writeModel(watched, 'first', '2', models.plus(2));
    const version = async () => (await infer(follower, 'first', one)).body.model_version;
    await eventually(async () => (await version()) === '2');
    await eventually(async () => (await infer(follower, 'second', one)).status === 200);
    await writeModel(watched, 'first', '3', 'broken');
    await eventually(async () =>
      (await index(follower, 'first')).some(({ version, reason }) => version === '3' && reason),
    );
    assert.equal(await version(), '2');
    await rm(join(watched, 'second'), { recursive: true });
    await eventually(async () => (await infer(follower, 'second', one)).status === 404);
  } finally {
    await follower.stop();
  }
});

test('a server whose every model is broken is live and not ready, and says why', async () => {
  const broken = join(root, 'broken');
  await writeModel(broken, 'only', '1', 'broken');
  await writeModel(join(root, 'good'), 'only', '1', models.plus(1));
  const [lame, well] = await Promise.all([serveUnready(broken), serve(join(root, 'good'))]);
  try {
    await eventually(async () => (await index(lame)).length > 0);
    assert.equal((await call(lame, 'GET', '/v2/health/live')).status, 200);
    assert.equal((await call(lame, 'GET', '/v2/health/ready')).status, 503);
    assert.equal((await call(lame, 'GET', '/healthcheck')).status, 503);
    assert.equal((await call(well, 'GET', '/v2/health/ready')).status, 200);
  } finally {
    await Promise.all([lame.stop(), well.stop()]);
  }
});

const serveUnready = (path: string, settings: Record<string, string> = {}) => serve(path, { settings, ready: false });

test('a Blob container is a repository: copied whole, checked, and followed', async () => {
  const ports = await freePorts();
  let azurite: Azurite | undefined;
  let follower: Served | undefined;
  try {
    azurite = await startAzurite(ports, join(root, 'azurite'), join(root, 'logs'));
    const container = BlobServiceClient.fromConnectionString(azurite.connection).getContainerClient('models');
    // Azurite is started with the containers that Azure has.
    assert.ok(await container.exists());
    const put = async (name: string, content: string | Uint8Array) => {
      await container.getBlockBlobClient(name).uploadData(Buffer.from(content as string));
    };
    const manifest = (name: string, sum: string) =>
      JSON.stringify({ name, version: '1', files: { 'model.onnx': sum } });
    await put('remote/1/model.json', manifest('remote', sha256(models.plus(1))));
    await put('remote/1/model.onnx', models.plus(1));
    await put('forged/1/model.json', manifest('forged', sha256(models.plus(1))));
    await put('forged/1/model.onnx', models.plus(2));
    await put('external/1/weights/all.bin', models.externalWeights());
    await put('external/1/model.onnx', models.external('weights/all.bin'));
    await put('late/1/model.onnx', models.external('weights.bin'));
    await put('mended/1/model.onnx', 'no model');
    await put('deep/1/escaped/model.onnx', models.plus(1));
    await put('escaped name/1/model.onnx', models.plus(1));
    const cache = join(root, 'cache');
    follower = await serve(join(root, 'none'), {
      settings: {
        MODEL_BLOB_CONNECTION: azurite.connection,
        MODEL_BLOB_CONTAINER: 'models',
        CACHE_DIR: cache,
        MODEL_WATCH_SECONDS: '1',
      },
    });
    assert.equal((await infer(follower, 'remote', one)).body.outputs[0].data[0], 2);
    assert.deepEqual((await infer(follower, 'external', ids(1))).body.outputs[0].data, [2, 3]);
    const [forged] = await index(follower, 'forged');
    assert.equal(forged?.state, 'UNAVAILABLE');
    assert.match(forged.reason, /checksum/);
    assert.ok((await index(follower)).every(({ name }) => !name.includes('escaped')));
    // What comes later, or is replaced by a good one, is copied again; what has been asked is final.
    await put('late/1/weights.bin', models.externalWeights());
    await put('mended/1/model.onnx', models.plus(4));
    await put('external/1/weights/all.bin', models.externalWeights(2));
    await eventually(async () => (await infer(follower!, 'late', ids(1))).status === 200);
    await eventually(async () => (await infer(follower!, 'mended', one)).status === 200);
    assert.equal((await infer(follower, 'mended', one)).body.outputs[0].data[0], 5);
    assert.deepEqual((await infer(follower, 'external', ids(1))).body.outputs[0].data, [2, 3]);
    assert.equal((await index(follower, 'external'))[0]?.reason, '');
    await put('remote/2/model.onnx', models.plus(2));
    await eventually(async () => (await infer(follower!, 'remote', one)).body.model_version === '2');
    // What was copied serves on when the container can't be reached any more, and after a restart.
    await azurite.stop();
    await sleep(1_200);
    assert.equal((await infer(follower, 'remote', one)).body.outputs[0].data[0], 3);
  } finally {
    await follower?.stop();
    await azurite?.stop();
  }
});

test('a Blob container that does not answer keeps nothing of the folder from being served', async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
  const { port } = silent.address() as { port: number };
  const connection = `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aaaa;BlobEndpoint=http://127.0.0.1:${port}/a`;
  const settings = { MODEL_BLOB_CONNECTION: connection, CACHE_DIR: join(root, 'no-cache'), SHUTDOWN_SECONDS: '1' };
  const local = join(root, 'local');
  await writeModel(local, 'here', '1', models.plus(1));
  const lonely = await serveUnready(local, settings);
  try {
    await eventually(async () => (await infer(lonely, 'here', one)).status === 200, 5);
  } finally {
    silent.close();
    for (const socket of sockets) socket.destroy();
    await lonely.stop();
  }
});
