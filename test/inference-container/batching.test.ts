import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { call, infer, metric, readBinary, refused, useServer, withBinary, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** Requests that are in flight together run together, and nobody can tell. */
const server = useServer(async (folder) => {
  await writeModel(folder, 'embedding', '1', models.embedding());
  await writeModel(folder, 'moody', '1', models.moody());
  await writeModel(folder, 'places', '1', models.placesOfNonZero());
  await writeModel(folder, 'two-rows', '1', models.doubleOfTwoRows());
  await writeModel(folder, 'pair', '1', models.sumAndDifference());
  await writeModel(folder, 'strings', '1', models.identity('BYTES'));
  await writeModel(folder, 'total', '1', models.total());
  await writeModel(folder, 'slow', '1', models.slow());
  await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  const bounded = (batching: object) => ({ manifest: { batching } });
  await writeModel(folder, 'few', '1', models.plus(1), bounded({ maxRows: 4 }));
  await writeModel(folder, 'single', '1', models.plus(1), bounded({ maxRows: 1 }));
  await writeModel(folder, 'patient', '1', models.plus(1), bounded({ maxRows: 8, maxDelayMs: 1_000 }));
});

const x = (datatype: string, data: unknown[], shape: number[] = [data.length]) => [
  { name: 'x', datatype, shape, data },
];

/** Keeps the one worker busy, so that what is sent next gathers and runs together. */
async function busy(): Promise<() => Promise<void>> {
  const running: Promise<unknown>[] = [];
  for (let batch = 0; batch < 2; batch += 1) {
    running.push(infer(server.it, 'slow', x('INT64', [150])));
    await sleep(30);
  }
  return async () => void (await Promise.all(running));
}

/** Sends requests so that they gather, and waits for all. */
async function together<T>(requests: (() => Promise<T>)[]): Promise<T[]> {
  const free = await busy();
  const answers = await Promise.all(requests.map((request) => request()));
  await free();
  return answers;
}

const batches = (model: string) => metric(server.it, 'maru_inference_batch_rows_count', { model });
const rowsRun = (model: string) => metric(server.it, 'maru_inference_batch_rows_sum', { model });

/** A generator of whole numbers below `limit`, the same in every run. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test('10,000 random rows over random interleavings get the answers they get alone', async () => {
  const alone = await InferenceSession.create(models.embedding(), { intraOpNumThreads: 1 });
  const single = async (ids: number[]): Promise<number[]> => {
    const feed = new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
    return [...((await alone.run({ ids: feed })).probabilities!.data as Float32Array)];
  };
  const near = (came: number[], expected: number[]) => {
    assert.equal(came.length, expected.length);
    for (const [index, value] of came.entries())
      assert.ok(Math.abs(value - expected[index]!) <= 1e-5, `${came} / ${expected}`);
  };
  let rows = 0;
  const client = async (seed: number) => {
    const roll = dice(seed);
    while (rows < 10_000) {
      const width = 1 + roll(4);
      const ids = Array.from({ length: 1 + roll(8) }, () => Array.from({ length: width }, () => roll(models.ROWS)));
      const shape = [ids.length, width];
      rows += ids.length;
      const bad = roll(40) === 0;
      if (bad) ids[roll(ids.length)]![roll(width)] = models.ROWS + roll(5);
      const way = roll(3);
      const data = ids.flat();
      const tensor = { name: 'ids', datatype: 'INT64', shape };
      let answer: Awaited<ReturnType<typeof call>>;
      if (way === 0) answer = await infer(server.it, 'embedding', [{ ...tensor, data }], { id: `${seed}` });
      else if (way === 1) answer = await call(server.it, 'POST', '/v1/models/embedding:predict', { instances: ids });
      else {
        const bytes = new Uint8Array(BigInt64Array.from(data, BigInt).buffer);
        const inputs = [{ ...tensor, parameters: { binary_data_size: bytes.length } }];
        const [body, headers] = withBinary({ inputs, parameters: { binary_data_output: true } }, bytes);
        answer = await call(server.it, 'POST', '/v2/models/embedding/infer', body, headers);
      }
      if (bad) {
        refused(answer, 400);
        continue;
      }
      assert.equal(answer.status, 200, answer.text);
      let came: number[];
      if (way === 0) {
        assert.equal(answer.body.id, `${seed}`);
        assert.deepEqual(answer.body.outputs[0].shape, [ids.length, 4]);
        came = answer.body.outputs[0].data;
      } else if (way === 1) came = answer.body.predictions.flat();
      else {
        const part = readBinary(answer).parts.probabilities!;
        came = Array.from({ length: part.length / 4 }, (_, at) => part.readFloatLE(at * 4));
      }
      const expected = await Promise.all(ids.map(single));
      near(came, expected.flat());
    }
  };
  await Promise.all(Array.from({ length: 24 }, (_, seed) => client(seed + 1)));
  assert.ok(rows >= 10_000);
  const perBatch = (await rowsRun('embedding')) / (await batches('embedding'));
  assert.ok(perBatch > 5, `rows were batched: ${perBatch} a batch, 4.5 a request`);
});

test('requests that wait together run in fewer batches', async () => {
  const before = await batches('strings');
  const words = Array.from({ length: 20 }, (_, at) => [`${at} 하나`, `${at} two`]);
  const answers = await together(words.map((pair) => () => infer(server.it, 'strings', x('BYTES', pair))));
  for (const [at, { body }] of answers.entries()) assert.deepEqual(body.outputs[0].data, words[at]);
  assert.ok((await batches('strings')) - before < 10);
});

test('a row that fails as it runs fails alone', async () => {
  const before = await batches('moody');
  const values = Array.from({ length: 24 }, (_, at) => (at % 6 === 5 ? 100 + at : at % 10));
  const answers = await together(values.map((value) => () => infer(server.it, 'moody', x('INT64', [value]))));
  for (const [at, answer] of answers.entries())
    if (values[at]! > 9) refused(answer, 400);
    else assert.deepEqual(answer.body.outputs?.[0].data, [values[at]! * 10], answer.text);
  assert.ok((await batches('moody')) > before);
});

test('a row that is refused before it runs keeps nobody from running', async () => {
  const ids = Array.from({ length: 20 }, (_, at) => (at % 5 === 4 ? -1 : at));
  const ask = (id: number) => () => call(server.it, 'POST', '/v1/models/embedding:predict', { instances: [[id, 1]] });
  const answers = await together(ids.map(ask));
  for (const [at, answer] of answers.entries()) assert.equal(answer.status, ids[at] === -1 ? 400 : 200, answer.text);
});

test('texts of many requests get their own labels', async () => {
  const words = ['hello', 'order', 'bye', 'what'];
  const labels = ['greeting', 'order', 'farewell', 'none'];
  const ask = (at: number) => () =>
    call(server.it, 'POST', '/v1/models/text:predict', { instances: [words[at % 4], words[(at + 1) % 4]] });
  const answers = await together(Array.from({ length: 24 }, (_, at) => ask(at)));
  for (const [at, { body }] of answers.entries()) {
    const came = body.predictions.map(({ label }: { label: string }) => label);
    assert.deepEqual(came, [labels[at % 4], labels[(at + 1) % 4]]);
  }
});

test('requests of other shapes, other outputs or no rows wait together and are not mixed', async () => {
  const row = (name: string, data: number[]) => ({ name, datatype: 'FP32', shape: [data.length / 2, 2], data });
  const answers = await together([
    () => infer(server.it, 'pair', [row('a', [1, 2]), row('b', [1, 1])]),
    () => infer(server.it, 'pair', [row('a', [3, 4]), row('b', [1, 1])], { outputs: [{ name: 'difference' }] }),
    () => infer(server.it, 'pair', [row('a', []), row('b', [])]),
    () => infer(server.it, 'pair', [row('b', [1, 1, 2, 2]), row('a', [5, 6, 7, 8])]),
    () => infer(server.it, 'pair', [row('a', [9, 9]), row('b', [1, 1])], { outputs: [{ name: 'difference' }] }),
    // One row of b for both of a: as ONNX has it, and no reason to shift the rows of others.
    () => infer(server.it, 'pair', [row('a', [1, 1, 2, 2]), row('b', [1, 1])]),
    () => infer(server.it, 'pair', [row('a', [0, 0]), row('b', [1, 1])]),
  ]);
  const data = answers.map(({ body }) => body.outputs.map((output: { data: number[] }) => output.data));
  assert.deepEqual(data, [
    [
      [2, 3],
      [0, 1],
    ],
    [[2, 3]],
    [[], []],
    [
      [6, 7, 9, 10],
      [4, 5, 5, 6],
    ],
    [[8, 8]],
    [
      [2, 2, 3, 3],
      [0, 0, 1, 1],
    ],
    [
      [1, 1],
      [-1, -1],
    ],
  ]);
});

test('a model whose outputs do not follow the rows gives everyone their own', async () => {
  const ask = (data: number[]) => () => infer(server.it, 'places', x('FP32', data, [data.length / 2, 2]));
  // Together as many places as rows: nothing but the names of the dimensions tells that they are not the same.
  const answers = await together([ask([0, 0]), ask([1, 1]), ask([0, 0]), ask([1, 1])]);
  const data = answers.map(({ body }) => body.outputs[0].data);
  assert.deepEqual(data, [[], [0, 0, 0, 1], [], [0, 0, 0, 1]]);
});

test('a model of one answer for all rows gives everyone their own', async () => {
  const answers = await together([1, 2, 3].map((value) => () => infer(server.it, 'total', x('FP32', [value, value]))));
  assert.deepEqual(
    answers.map(({ body }) => body.outputs[0].data),
    [[2], [4], [6]],
  );
});

test('a model with a closed batch runs each request by itself', async () => {
  const rows = (base: number) => Array.from({ length: 6 }, (_, at) => base + at);
  const answers = await together(
    [0, 10, 20].map((base) => () => infer(server.it, 'two-rows', x('FP32', rows(base), [2, 3]))),
  );
  for (const [at, { body }] of answers.entries())
    assert.deepEqual(
      body.outputs[0].data,
      rows(at * 10).map((value) => 2 * value),
    );
});

test('a batch has no more rows than the model allows, except for one request that has more by itself', async () => {
  await together(Array.from({ length: 21 }, (_, at) => () => infer(server.it, 'few', x('INT64', [at]))));
  const of = (le: string) => metric(server.it, 'maru_inference_batch_rows_bucket', { model: 'few', le });
  assert.equal(await of('4'), await of('+Inf'));
  assert.ok((await of('+Inf')) < 21);
  const ten = Array.from({ length: 10 }, (_, at) => at);
  const { body } = await infer(server.it, 'few', x('INT64', ten));
  assert.deepEqual(
    body.outputs[0].data,
    ten.map((value) => value + 1),
  );
});

test('a model that allows one row a batch is not batched', async () => {
  await together(Array.from({ length: 6 }, (_, at) => () => infer(server.it, 'single', x('INT64', [at]))));
  assert.equal(await batches('single'), 6);
});

test('a model may wait a moment for company, and no longer when the batch is full', async () => {
  const ask = (value: number) => infer(server.it, 'patient', x('INT64', [value]));
  const first = ask(1);
  await sleep(100);
  const answers = await Promise.all([first, ask(2)]);
  assert.deepEqual(
    answers.map(({ body }) => body.outputs[0].data),
    [[2], [3]],
  );
  assert.equal(await batches('patient'), 1);
  await Promise.all(Array.from({ length: 8 }, (_, value) => ask(value)));
  assert.equal(await batches('patient'), 2);
});
