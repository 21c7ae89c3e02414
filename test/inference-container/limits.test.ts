import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  call,
  eventually,
  index,
  infer,
  refused,
  type Served,
  serve,
  turns,
  turnsASecond,
  writeModel,
} from './fixture.ts';
import * as models from './models.ts';

/** What one request may take of what all share; one worker, so that all of it would show. */
let folder = '';
let server: Served;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-limits-'));
  await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  await writeModel(folder, 'slow', '1', models.slow());
  await writeModel(folder, 'total', '1', models.total());
  server = await serve(folder, { settings: { REQUEST_MEGABYTES: '8' } });
});

after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const predict = (instances: unknown) => call(server, 'POST', '/v1/models/text:predict', { instances });
const word = (row: number) => ['hello', 'order', 'bye', 'thing'][row % 4]!;

test('a body that would take too much memory is 413 with the limit and what to do, whatever it is made of', async () => {
  const units = ['[],', '{},', '"",', '{"a":1},', '[[]],', '{"":[]},'];
  for (const unit of units) {
    const body = `{"instances":[${unit.repeat(3_000_000 / unit.length)}1]}`;
    const answer = await call(server, 'POST', '/v1/models/text:predict', body);
    refused(answer, 413, /REQUEST_MEGABYTES is 8; send fewer elements a request, or binary tensors/);
  }
  // The same bytes that say little are let in, and refused for what they are.
  refused(await predict(['x'.repeat(3_000_000)]), 400, /more than 20000 characters/);
  assert.equal((await predict(['hello'])).status, 200);
});

test('tensors beyond 256 are refused by their number, and not each for what is wrong with it', async () => {
  const many = (key: string) => `{"inputs":[1],"${key}":[${'0,'.repeat(200_000)}0]}`;
  for (const key of ['inputs', 'outputs'])
    refused(await call(server, 'POST', '/v2/models/total/infer', many(key)), 400, /at most 256 tensors/);
  const parameters = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`p${index}`, 1]));
  refused(await call(server, 'POST', '/v2/models/total/infer', { inputs: [], parameters }), 400, /at most 256/);
});

test('brackets and quotes within strings count for nothing', async () => {
  for (const text of [
    '['.repeat(10_000),
    '{"'.repeat(5_000),
    '\\"['.repeat(3_000),
    '\\'.repeat(9_999),
    '\\\\"'.repeat(4_000),
  ])
    assert.equal((await predict([text])).status, 200, text.slice(0, 6));
});

test('a body that is nested deeper than 64 levels is refused before anything recursive reads it', async () => {
  const nested = (levels: number) => `{"instances":${'['.repeat(levels)}${']'.repeat(levels)}}`;
  for (const levels of [64, 1_000, 100_000, 900_000])
    refused(await call(server, 'POST', '/v1/models/text:predict', nested(levels)), 400, /nested deeper than 64 levels/);
  refused(await call(server, 'POST', '/v1/models/text:predict', '['.repeat(900_000)), 400, /nested deeper/);
  refused(await call(server, 'POST', '/v2/repository/index', nested(20_000)), 400, /nested deeper/);
  refused(await call(server, 'POST', '/v1/models/text:predict', nested(60)), 400);
});

test('many rows are answered as each alone, in their order, however they are sliced', async () => {
  const many = await predict(Array.from({ length: 3_000 }, (_, row) => word(row)));
  assert.equal(many.status, 200);
  const alone = await Promise.all([0, 1, 2, 3].map(async (row) => (await predict([word(row)])).body.predictions[0]));
  assert.equal(many.body.predictions.length, 3_000);
  for (const [row, prediction] of many.body.predictions.entries()) {
    assert.equal(prediction.label, alone[row % 4].label);
    assert.ok(Math.abs(prediction.score - alone[row % 4].score) < 1e-6);
  }
  const odd = Array.from({ length: 130 }, (_, row) => (row === 129 ? 5 : word(row)));
  refused(await predict(odd), 400, /instance 129/);
});

test('small requests are answered between the slices of long ones, of the same model too', async () => {
  const done: string[] = [];
  const ask = async (name: string, instances: string[]) => {
    assert.equal((await predict(instances)).status, 200);
    done.push(name);
  };
  const rows = Array.from({ length: 10_000 }, (_, row) => `${word(row)} ${row}`);
  const long = [1, 2, 3].map((at) => ask(`long ${at}`, rows));
  // They are under way.
  await eventually(async () =>
    (await call(server, 'GET', '/metrics')).text.match(/queue_requests\{model="text"[^}]*\} [1-9]/),
  );
  for (let at = 0; at < 10; at += 1) await ask(`small ${at}`, ['hello']);
  assert.ok(
    done.every((name) => name.startsWith('small')),
    done.join(),
  );
  await Promise.all(long);
});

test('a large body that is worked on holds up no small request', async () => {
  const count = await turnsASecond(server);
  const large = infer(server, 'slow', turns(count), { parameters: { padding: 'x'.repeat(1_200_000) } });
  let answered = false;
  void large.then(() => {
    answered = true;
  });
  for (let at = 0; at < 10; at += 1) assert.equal((await predict(['hello'])).status, 200);
  assert.ok(!answered, 'all of them came before');
  assert.equal((await large).status, 200);
});

test('a large body finds models that were loaded after its worker was started, and none that are gone', async () => {
  const ask = (name: string) =>
    call(server, 'POST', `/v1/models/${name}:predict`, { instances: ['hello'], padding: 'x'.repeat(1_200_000) });
  assert.equal((await ask('text')).status, 200);
  await writeModel(folder, 'late', '1', models.text(), models.textPackage);
  assert.equal((await call(server, 'POST', '/v2/repository/models/late/load')).status, 200);
  assert.equal((await ask('late')).body.predictions[0].label, 'greeting');
  assert.equal((await call(server, 'POST', '/v2/repository/models/late/unload')).status, 200);
  assert.equal((await ask('late')).status, 404);
});

test('pipes, sockets and devices in a version are refused without being opened; everything else goes on', async () => {
  const fifo = (path: string) => execFileSync('mkfifo', [path]);
  const version = async (name: string) => {
    const path = join(folder, name, '1');
    await mkdir(path, { recursive: true });
    return path;
  };
  fifo(join(await version('pipe'), 'model.onnx'));
  await writeModel(folder, 'manifest', '1', models.total());
  fifo(join(folder, 'manifest/1/model.json'));
  await writeModel(folder, 'beside', '1', models.total());
  fifo(join(folder, 'beside/1/weights.bin'));
  await symlink('/dev/zero', join(await version('device'), 'model.onnx'));
  await writeModel(folder, 'below', '1', models.total());
  await mkdir(join(folder, 'below/1/weights'));
  fifo(join(folder, 'below/1/weights/part'));
  await writeModel(folder, 'policy', '1', models.total());
  fifo(join(folder, 'policy/config.json'));
  for (const name of ['pipe', 'manifest', 'beside', 'device', 'below']) {
    refused(await call(server, 'POST', `/v2/repository/models/${name}/load`), 400, /neither a file nor a folder/);
    assert.match((await index(server, name))[0]!.reason, /neither a file nor a folder/);
  }
  assert.equal((await call(server, 'POST', '/v2/repository/models/policy/load')).status, 200);
  await writeFile(join(folder, 'total/1/notes.txt'), 'plain files do no harm');
  assert.equal((await call(server, 'POST', '/v2/repository/models/total/load')).status, 200);
});
