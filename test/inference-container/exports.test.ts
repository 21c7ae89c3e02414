import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { call, eventually, index, infer, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** What common tools export, and how folders really look: it is served, or the index says what to do. */
const server = useServer(
  async (folder) => {
    await writeModel(folder, 'zipped', '1', models.zipped(['cat', 'dog', 'bird']));
    await writeModel(folder, 'numbered', '1', models.zipped([0, 1, 7]));
    await writeModel(folder, 'listed', '1', models.listed());
    await writeModel(folder, 'split', '1', models.split());
    await writeModel(folder, 'constant', '1', models.constant());
    await writeModel(folder, 'lowered', '1', models.lowered('C'));
    await writeModel(folder, 'elsewhere', '1', models.lowered('xx_XX.UTF-8'));
    await writeModel(folder, 'plus', '1', models.plus(1));
    await writeModel(folder, 'plus', 'old', models.plus(1));
    await writeModel(folder, 'plus', 'tmp', models.plus(1));
    await writeModel(folder, 'named', 'final', models.plus(1));
    await writeFile(join(folder, 'named/config.json'), JSON.stringify({ versions: { only: ['final'] } }));
    await writeModel(folder, 'my model', '1', models.plus(1));
    await writeModel(folder, '한국어', '1', models.plus(1));
    await writeModel(folder, 'x'.repeat(65), '1', models.plus(1));
    await mkdir(join(folder, 'flat'));
    await writeFile(join(folder, 'flat/model.onnx'), models.plus(1));
    await mkdir(join(folder, 'empty'));
    await writeFile(join(folder, 'loose.onnx'), models.plus(1));
    await mkdir(join(folder, 'lost+found'));
    await mkdir(join(folder, '.ipynb_checkpoints'));
  },
  { ready: false, started: async (it) => void (await settledIndex(it)) },
);

/** Waits until all of the folder has been looked at. */
async function settledIndex(it: { url: string }): Promise<void> {
  await eventually(async () => {
    const entries = await index(it);
    return entries.length >= 18 && entries.every(({ state }) => state !== 'LOADING');
  });
}

const rows = [{ name: 'x', datatype: 'FP32', shape: [2, 3], data: [0, 1, 0, 5, 0, 0] }];
const softmax = (x: number[]) => {
  const powers = x.map(Math.exp);
  const sum = powers.reduce((all, power) => all + power);
  return powers.map((power) => power / sum);
};
const near = (given: number[], expected: number[]) => {
  assert.equal(given.length, expected.length);
  for (const [at, value] of expected.entries()) assert.ok(Math.abs(given[at]! - value) < 1e-6, `${given} ${expected}`);
};

test('a classifier with ZipMap is served as labels and a matrix, whose columns the metadata names', async () => {
  for (const [name, labels] of [
    ['zipped', ['cat', 'dog', 'bird']],
    ['numbered', [0, 1, 7]],
  ] as const) {
    const { body: metadata } = await call(server.it, 'GET', `/v2/models/${name}`);
    assert.deepEqual(metadata.outputs, [
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 3], parameters: { labels } },
    ]);
    const { body } = await infer(server.it, name, rows);
    assert.deepEqual(body.outputs[0].data, [1, 0]);
    assert.deepEqual(body.outputs[1].shape, [2, 3]);
    near(body.outputs[1].data, [...softmax([0, 1, 0]), ...softmax([5, 0, 0])]);
    const v1 = await call(server.it, 'POST', `/v1/models/${name}:predict`, { instances: [[0, 1, 0]] });
    assert.equal(v1.body.predictions[0].label, 1);
    near(v1.body.predictions[0].probabilities, softmax([0, 1, 0]));
  }
});

test('such a classifier is proven to answer each row by itself, and joined', async () => {
  assert.equal((await index(server.it, 'zipped'))[0]?.batching, 'proven');
});

test('a sequence that the graph lists is served as its tensors', async () => {
  const { body } = await infer(server.it, 'listed', [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }]);
  assert.deepEqual(
    body.outputs.map(({ name, data }: { name: string; data: number[] }) => [name, data]),
    [
      ['all.0', [1, 2]],
      ['all.1', [2, 4]],
    ],
  );
});

test('a sequence of unknown length is refused, with what to do about it', async () => {
  const [entry] = await index(server.it, 'split');
  assert.equal(entry?.state, 'UNAVAILABLE');
  assert.match(entry.reason, /rows can't be served, for it is no tensor \(sequence\): export the model with tensors$/);
});

test('a model without inputs answers, by every protocol', async () => {
  const expected = [{ name: 'y', datatype: 'INT64', shape: [2], data: [3, 4] }];
  assert.deepEqual((await infer(server.it, 'constant', [])).body.outputs, expected);
  assert.deepEqual((await call(server.it, 'POST', '/v2/models/constant/infer', {})).body.outputs, expected);
  const together = await Promise.all(Array.from({ length: 16 }, () => infer(server.it, 'constant', [])));
  for (const { body } of together) assert.deepEqual(body.outputs, expected);
  const v1 = await call(server.it, 'POST', '/v1/models/constant:predict', { inputs: {} });
  assert.deepEqual(v1.body, { outputs: [3, 4] });
});

test('a model that needs a locale is served where there is one, and the missing one is named', async () => {
  const x = [{ name: 'x', datatype: 'BYTES', shape: [2], data: ['ABC', 'Def'] }];
  assert.deepEqual((await infer(server.it, 'lowered', x)).body.outputs[0].data, ['abc', 'def']);
  const [entry] = await index(server.it, 'elsewhere');
  assert.equal(entry?.state, 'UNAVAILABLE');
  assert.match(entry.reason, /locale xx_XX.UTF-8.*apt-get install locales/);
});

test('folders that are no versions are not served, and the index says why', async () => {
  const entries = await index(server.it, 'plus');
  assert.deepEqual(
    entries.map(({ version, state }) => [version, state]),
    [
      ['1', 'READY'],
      ['old', 'UNAVAILABLE'],
      ['tmp', 'UNAVAILABLE'],
    ],
  );
  for (const { reason } of entries.slice(1)) assert.match(reason, /starts with a digit/);
  const [named] = await index(server.it, 'named');
  assert.deepEqual([named?.version, named?.state], ['final', 'READY']);
});

test('what can not be served by its name or its place is in the index, with what to do', async () => {
  const reasonOf = async (name: string) => (await index(server.it, name))[0]?.reason;
  for (const name of ['my model', '한국어', 'x'.repeat(65)]) assert.match((await reasonOf(name))!, /rename the folder/);
  assert.match((await reasonOf('flat'))!, /move model\.onnx to flat\/1\/model\.onnx/);
  assert.match((await reasonOf('empty'))!, /put the model into empty\/1\/model\.onnx/);
  assert.match((await reasonOf('loose'))!, /move loose\.onnx to loose\/1\/model\.onnx/);
  assert.match((await reasonOf('lost+found'))!, /rename the folder/);
  assert.equal(await reasonOf('.ipynb_checkpoints'), undefined);
});
