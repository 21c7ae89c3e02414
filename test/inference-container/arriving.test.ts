import assert from 'node:assert/strict';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, eventually, index, infer, metric, refused, type Served, serve, sha256, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** A version may arrive slowly, in any order, and be replaced: it ends READY, and what has been served once is final. */
let root = '';
let folder = '';
let server: Served;
const SETTLE_SECONDS = '0.6';

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'maru-arriving-'));
  folder = join(root, 'models');
  await writeModel(folder, 'steady', '1', models.plus(1));
  server = await serve(folder, { settings: { MODEL_SETTLE_SECONDS: SETTLE_SECONDS, MODEL_WATCH_SECONDS: '1' } });
});

after(async () => {
  await server?.stop();
  await rm(root, { recursive: true, force: true });
});

const load = (name: string) => call(server, 'POST', `/v2/repository/models/${name}/load`);
const one = [{ name: 'x', datatype: 'INT64', shape: [1], data: [1] }];
const ids = [{ name: 'ids', datatype: 'INT64', shape: [1], data: [3] }];
const entryOf = async (name: string) => (await index(server, name))[0];
const isReady = (name: string) => eventually(async () => (await entryOf(name))?.state === 'READY', 15);
const answerOf = async (name: string) => (await infer(server, name, one)).body.outputs?.[0].data[0];

/** Every state that the index shows of a model until it is READY. */
async function statesUntilReady(name: string): Promise<Set<string>> {
  const seen = new Set<string>();
  await eventually(async () => {
    const entry = await entryOf(name);
    if (entry) seen.add(entry.state);
    return entry?.state === 'READY';
  }, 20);
  return seen;
}

/** Writes a file in pieces, with a pause between. */
async function writeSlowly(path: string, bytes: Uint8Array, pieces: number, pauseMs: number): Promise<void> {
  const file = await open(path, 'w');
  const size = Math.ceil(bytes.length / pieces);
  for (let at = 0; at < bytes.length; at += size) {
    await file.write(bytes.subarray(at, at + size));
    await sleep(pauseMs);
  }
  await file.close();
}

test('a file that arrives piece by piece is waited for, and never tried before', async () => {
  const target = join(folder, 'slow/1');
  await mkdir(target, { recursive: true });
  const states = statesUntilReady('slow');
  await writeSlowly(join(target, 'model.onnx'), models.embedding(), 20, 200);
  assert.deepEqual([...(await states)].sort(), ['LOADING', 'READY']);
});

test('70 MB at 15 MB a second are waited for', async () => {
  const target = join(folder, 'large/1');
  await mkdir(target, { recursive: true });
  const states = statesUntilReady('large');
  const bytes = models.large();
  await writeSlowly(join(target, 'model.onnx'), bytes, Math.ceil(bytes.length / 1_500_000), 100);
  assert.deepEqual([...(await states)].sort(), ['LOADING', 'READY']);
  await call(server, 'POST', '/v2/repository/models/large/unload');
});

test('while it arrives its requests are asked to come again, and other models answer', async () => {
  const target = join(folder, 'awaited/1');
  await mkdir(target, { recursive: true });
  const arriving = writeSlowly(join(target, 'model.onnx'), models.plus(1), 10, 300);
  await eventually(async () => (await entryOf('awaited'))?.state === 'LOADING');
  for (const path of ['', '/ready', '/versions/1', '/versions/1/ready']) {
    const answer = await call(server, 'GET', `/v2/models/awaited${path}`);
    refused(answer, 503, /not served yet/);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
  }
  refused(await infer(server, 'awaited', one), 503);
  refused(await call(server, 'GET', '/v2/models/awaited/versions/2'), 404);
  refused(await call(server, 'GET', '/v2/models/nobody'), 404);
  assert.equal(await answerOf('steady'), 2);
  await arriving;
  await isReady('awaited');
  assert.equal(await answerOf('awaited'), 2);
});

test('halves that come with a longer pause between end READY', async () => {
  const target = join(folder, 'halves/1');
  await mkdir(target, { recursive: true });
  const bytes = models.embedding();
  await writeFile(join(target, 'model.onnx'), bytes.subarray(0, bytes.length / 2));
  await eventually(async () => (await entryOf('halves'))?.state === 'UNAVAILABLE', 10);
  await appendFile(join(target, 'model.onnx'), bytes.subarray(bytes.length / 2));
  await isReady('halves');
});

test('weights that come after their model end READY, in a folder of the version too', async () => {
  const target = join(folder, 'parts/1');
  await mkdir(join(target, 'weights'), { recursive: true });
  await writeFile(join(target, 'model.onnx'), models.external('weights/all.bin'));
  await sleep(2_000);
  await writeFile(join(target, 'weights/all.bin'), models.externalWeights());
  await isReady('parts');
  assert.deepEqual((await infer(server, 'parts', ids)).body.outputs[0].data, [6, 7]);
});

test('a bad export that is replaced by a good one is served', async () => {
  await writeModel(folder, 'mended', '1', 'no model');
  await eventually(async () => (await entryOf('mended'))?.state === 'UNAVAILABLE');
  assert.equal(await metric(server, 'maru_models_failed', { model: 'mended', version: '1' }), 1);
  await writeFile(join(folder, 'mended/1/model.onnx'), models.plus(1));
  await isReady('mended');
  assert.equal(await answerOf('mended'), 2);
  assert.doesNotMatch((await call(server, 'GET', '/metrics')).text, /maru_models_failed\{model="mended"/);
});

test('an export that nobody has asked yet may be replaced, and the new one answers', async () => {
  await writeModel(folder, 'anew', '1', models.plus(1));
  await isReady('anew');
  await rm(join(folder, 'anew/1'), { recursive: true });
  await writeModel(folder, 'anew', '1', models.plus(5));
  assert.equal((await load('anew')).status, 200);
  assert.equal(await answerOf('anew'), 6);
  // In place, too.
  await writeModel(folder, 'in-place', '1', models.plus(1));
  await isReady('in-place');
  await writeFile(join(folder, 'in-place/1/model.onnx'), models.plus(7));
  assert.equal((await load('in-place')).status, 200);
  assert.equal(await answerOf('in-place'), 8);
});

test('what has been asked is final: a change is not served, and the index says so', async () => {
  await writeModel(folder, 'final', '1', models.plus(1));
  await isReady('final');
  assert.equal(await answerOf('final'), 2);
  const file = join(folder, 'final/1/model.onnx');
  await writeFile(`${file}.new`, models.plus(5));
  await rename(`${file}.new`, file);
  await eventually(async () => /publish a new version/.test((await entryOf('final'))?.reason ?? ''));
  assert.equal((await entryOf('final'))?.state, 'READY');
  for (let time = 0; time < 100; time += 1) assert.equal(await answerOf('final'), 2);
  await call(server, 'POST', '/v2/repository/models/final/unload');
  refused(await load('final'), 400, /publish a new version/);
  await writeModel(folder, 'final', '2', models.plus(5));
  assert.equal((await load('final')).status, 200);
  assert.equal(await answerOf('final'), 6);
});

test('`load` waits for files that still arrive, and answers 200 only when the version is served', async () => {
  const target = join(folder, 'told/1');
  await mkdir(target, { recursive: true });
  const arriving = writeSlowly(join(target, 'model.onnx'), models.plus(1), 8, 200);
  await sleep(100);
  const { status, text } = await load('told');
  assert.equal(status, 200, text);
  assert.equal(await answerOf('told'), 2);
  await arriving;
});

test('`load` of what does not end arriving is told so when its time is over', async () => {
  const hasty = await serve(folder, { settings: { MODEL_SETTLE_SECONDS: '2', REQUEST_SECONDS: '3' } });
  try {
    const target = join(folder, 'endless/1');
    await mkdir(target, { recursive: true });
    const arriving = writeSlowly(join(target, 'model.onnx'), models.plus(1), 20, 250);
    const answer = await call(hasty, 'POST', '/v2/repository/models/endless/load');
    refused(answer, 503, /still arriving/);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    await arriving;
  } finally {
    await hasty.stop();
  }
});

test('a package with its checksums is taken as soon as it is whole, and not before', async () => {
  const patient = await serve(join(root, 'packages'), {
    ready: false,
    settings: { MODEL_SETTLE_SECONDS: '600', MODEL_WATCH_SECONDS: '1' },
  });
  try {
    const model = models.plus(1);
    const manifest = { files: { 'model.onnx': sha256(model) } };
    await writeModel(join(root, 'packages'), 'half', '1', model.subarray(0, 20), { manifest });
    await writeModel(join(root, 'packages'), 'whole', '1', model, { manifest });
    await eventually(async () => (await index(patient, 'whole'))[0]?.state === 'READY');
    assert.equal((await index(patient, 'half'))[0]?.state, 'LOADING');
    await writeFile(join(root, 'packages/half/1/model.onnx'), model);
    await eventually(async () => (await index(patient, 'half'))[0]?.state === 'READY');
  } finally {
    await patient.stop();
  }
});

test('files whose times were set to the past are looked at as they change', async () => {
  const target = join(folder, 'dated/1');
  await mkdir(target, { recursive: true });
  const past = new Date('2020-01-01');
  const bytes = models.embedding();
  const states = statesUntilReady('dated');
  for (let part = 1; part <= 10; part += 1) {
    await writeFile(join(target, 'model.onnx'), bytes.subarray(0, Math.ceil((bytes.length * part) / 10)));
    await utimes(join(target, 'model.onnx'), past, past);
    await sleep(250);
  }
  assert.deepEqual([...(await states)].sort(), ['LOADING', 'READY']);
});

test('what tools leave in a version does no harm', async () => {
  const target = join(folder, 'littered/1');
  for (const name of ['weights', 'lost+found', '.ipynb_checkpoints', '__pycache__'])
    await mkdir(join(target, name), { recursive: true });
  await writeFile(join(target, '.ipynb_checkpoints/notebook.ipynb'), '{}');
  await writeFile(join(target, 'model.onnx'), models.plus(1));
  // As Kubernetes mounts a ConfigMap.
  const mounted = join(folder, 'mounted/1');
  await mkdir(join(mounted, '..2026_11_27'), { recursive: true });
  await writeFile(join(mounted, '..2026_11_27/model.onnx'), models.plus(2));
  await symlink('..2026_11_27', join(mounted, '..data'));
  await symlink('..data/model.onnx', join(mounted, 'model.onnx'));
  // As a version that is a link.
  await cp(target, join(root, 'elsewhere'), { recursive: true });
  await mkdir(join(folder, 'linked'));
  await symlink(join(root, 'elsewhere'), join(folder, 'linked/1'));
  for (const [name, answer] of [
    ['littered', 2],
    ['mounted', 3],
    ['linked', 2],
  ] as const) {
    await isReady(name);
    assert.equal(await answerOf(name), answer);
  }
  // Nor what is written there afterwards.
  await writeFile(join(target, 'weights/log.txt'), 'one line');
  await writeFile(join(target, 'notes.txt'), 'one line');
  await sleep(1_500);
  assert.equal((await entryOf('littered'))?.reason, '');
});

test('a folder that can not be read leaves the other models, and says why', {
  skip: process.getuid?.() === 0,
}, async () => {
  await mkdir(join(folder, 'closed'), { mode: 0o000 });
  await eventually(async () => /EACCES/.test((await entryOf('closed'))?.reason ?? ''));
  assert.equal(await answerOf('steady'), 2);
});

/** Writes bytes over a file in place, with the times that it had. */
async function overwrite(path: string, bytes: Uint8Array): Promise<void> {
  const { atime, mtime } = await stat(path);
  await writeFile(path, bytes);
  await utimes(path, atime, mtime);
}

test('what has been asked stays what it was, though a file of its size and times takes its place', async () => {
  const past = new Date('2020-01-01');
  const target = await writeModel(folder, 'same-times', '1', models.plus(1));
  await utimes(join(target, 'model.onnx'), past, past);
  await isReady('same-times');
  assert.equal(await answerOf('same-times'), 2);
  await overwrite(join(target, 'model.onnx'), models.plus(5));
  // Often enough for the model to be opened once more, where HTTP is served.
  for (let time = 0; time < 200; time += 1) assert.equal(await answerOf('same-times'), 2);
  await eventually(async () => /publish a new version/.test((await entryOf('same-times'))?.reason ?? ''));
});

test('what was asked does not come back as another by way of a model.json', async () => {
  await writeModel(folder, 'disguised', '1', models.plus(1));
  await isReady('disguised');
  assert.equal(await answerOf('disguised'), 2);
  await call(server, 'POST', '/v2/repository/models/disguised/unload');
  await rm(join(folder, 'disguised'), { recursive: true });
  const manifest = { files: { 'model.onnx': sha256(models.plus(5)) } };
  await writeModel(folder, 'disguised', '1', models.plus(5), { manifest });
  refused(await load('disguised'), 400, /publish a new version/);
  await rm(join(folder, 'disguised'), { recursive: true });
  await writeModel(folder, 'disguised', '1', models.plus(1), { manifest: { batching: { maxRows: 2 } } });
  refused(await load('disguised'), 400, /model\.json is not what it was/);
  await rm(join(folder, 'disguised'), { recursive: true });
  await writeModel(folder, 'disguised', '1', models.plus(1));
  assert.equal((await load('disguised')).status, 200, 'it may come back as it was');
});

test('files that are touched, or copied onto themselves, are what they were', async () => {
  const target = await writeModel(folder, 'touched', '1', models.plus(1));
  await isReady('touched');
  assert.equal(await answerOf('touched'), 2);
  await cp(join(target, 'model.onnx'), join(target, 'copy.tmp'));
  await rename(join(target, 'copy.tmp'), join(target, 'model.onnx'));
  await sleep(1_500);
  assert.equal((await entryOf('touched'))?.reason, '');
  const many = Array.from({ length: 40_000 }, (_, at) => at);
  const large = [{ name: 'x', datatype: 'INT64', shape: [many.length], data: many }];
  assert.equal((await infer(server, 'touched', large)).status, 200);
});

test('a version that a worker can not open again, for its files are others, is served no more, and the index says so', async () => {
  const target = await writeModel(folder, 'lost', '1', models.plus(1));
  await isReady('lost');
  assert.equal(await answerOf('lost'), 2);
  await writeFile(join(target, 'new.tmp'), models.plus(5));
  await rename(join(target, 'new.tmp'), join(target, 'model.onnx'));
  // A body so large has a worker of its own, which opens the model anew.
  const many = Array.from({ length: 600_000 }, () => 1);
  const answer = await infer(server, 'lost', [{ name: 'x', datatype: 'INT64', shape: [many.length], data: many }]);
  assert.notEqual(answer.status, 200);
  await eventually(async () => (await entryOf('lost'))?.state === 'UNAVAILABLE');
  refused(await infer(server, 'lost', one), 404);
});

test('of several versions that come together, those that are not wanted are not waited for', async () => {
  const draft = join(root, 'two');
  await writeModel(draft, 'two', '1', models.plus(1));
  await writeModel(draft, 'two', '2', models.plus(2));
  await cp(join(draft, 'two'), join(folder, 'two'), { recursive: true });
  await eventually(async () =>
    (await index(server, 'two')).some(({ version, state }) => version === '2' && state === 'READY'),
  );
  await eventually(async () => (await index(server, 'two')).length === 1);
  refused(await call(server, 'GET', '/v2/models/two/versions/1'), 404);
  assert.equal((await load('two')).status, 200);
});

test('a package whose weights have no checksum is not taken for whole', async () => {
  const patient = await serve(join(root, 'unsummed'), {
    ready: false,
    settings: { MODEL_SETTLE_SECONDS: '600', MODEL_WATCH_SECONDS: '1' },
  });
  try {
    const model = models.external('weights/all.bin');
    await mkdir(join(root, 'unsummed/zeros/1/weights'), { recursive: true });
    await writeFile(join(root, 'unsummed/zeros/1/weights/all.bin'), new Uint8Array(32));
    await writeFile(join(root, 'unsummed/zeros/1/model.onnx'), model);
    const manifest = { name: 'zeros', version: '1', files: { 'model.onnx': sha256(model) } };
    await writeFile(join(root, 'unsummed/zeros/1/model.json'), JSON.stringify(manifest));
    await sleep(2_500);
    assert.equal((await index(patient, 'zeros'))[0]?.state, 'LOADING');
  } finally {
    await patient.stop();
  }
});

test('a version of a thousand files is still looked at', async () => {
  const target = join(folder, 'crowded/1');
  await mkdir(target, { recursive: true });
  for (let file = 0; file < 1_500; file += 1) await writeFile(join(target, `a${file}.txt`), '');
  await writeFile(join(target, 'model.onnx'), 'no model');
  await eventually(async () => (await entryOf('crowded'))?.state === 'UNAVAILABLE');
  await writeFile(join(target, 'model.onnx'), models.plus(1));
  await isReady('crowded');
});

test('a version without model.onnx says what to do', async () => {
  await mkdir(join(folder, 'misnamed/1'), { recursive: true });
  await writeFile(join(folder, 'misnamed/1/net.onnx'), models.plus(1));
  await eventually(async () =>
    /no model\.onnx in it: rename net\.onnx/.test((await entryOf('misnamed'))?.reason ?? ''),
  );
});

test('a root that can not be read keeps nothing of the others from being served', async () => {
  const loop = join(root, 'loop');
  await symlink(loop, loop);
  const other = await serve(join(root, 'alone'), {
    ready: false,
    settings: {
      MODEL_BLOB_CONNECTION:
        'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aaaa;BlobEndpoint=http://127.0.0.1:9/a',
      CACHE_DIR: loop,
    },
  });
  try {
    await writeModel(join(root, 'alone'), 'here', '1', models.plus(1));
    assert.equal((await call(other, 'POST', '/v2/repository/models/here/load')).status, 200);
    assert.ok((await index(other)).some(({ reason }) => /can't be read/.test(reason)));
  } finally {
    await other.stop();
  }
});

test('weights that are written over in place, or cut off, while they are served change nothing', async () => {
  const files = { 'weights.bin': models.externalWeights() };
  const target = await writeModel(folder, 'mapped', '1', models.external('weights.bin'), { files });
  await isReady('mapped');
  const answer = async () => (await infer(server, 'mapped', ids)).body.outputs[0].data;
  assert.deepEqual(await answer(), [6, 7]);
  await overwrite(join(target, 'weights.bin'), models.externalWeights(10));
  assert.deepEqual(await answer(), [6, 7]);
  await truncate(join(target, 'weights.bin'), 0);
  for (let time = 0; time < 100; time += 1) assert.deepEqual(await answer(), [6, 7]);
  const large = await writeModel(folder, 'mapped-large', '1', models.large());
  await isReady('mapped-large');
  const rows = [{ name: 'ids', datatype: 'INT64', shape: [1], data: [200_000] }];
  const first = async () => (await infer(server, 'mapped-large', rows)).body.outputs[0].data[0];
  assert.equal(await first(), 200_000);
  await truncate(join(large, 'model.onnx'), 0);
  assert.equal(await first(), 200_000);
  await call(server, 'POST', '/v2/repository/models/mapped-large/unload');
});
