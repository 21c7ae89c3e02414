import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, refused, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** KServe V1 (`:predict`), and the scoring API that asks the same in other words (`/score`, `/healthcheck`). */
const server = useServer(
  async (folder) => {
    for (const type of ['BOOL', 'INT64', 'FP32', 'BYTES'] as const)
      await writeModel(folder, `of-${type}`, '1', models.identity(type));
    await writeModel(folder, 'matrix', '1', models.identity('FP32', ['batch', 'm', 'n']));
    await writeModel(folder, 'cube', '1', models.identity('INT64', ['batch', 2, 'm', 'n']));
    await writeModel(folder, 'vector', '1', models.identity('FP32', ['batch', 2]));
    await writeModel(folder, 'pair', '1', models.sumAndDifference());
    await writeModel(folder, 'two-rows', '1', models.doubleOfTwoRows());
    await writeModel(folder, 'logarithm', '1', models.logarithm());
    await writeModel(folder, 'total', '1', models.total());
    await writeModel(folder, 'embedding', '1', models.embedding());
    await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  },
  { fronts: 1 },
);

const predict = (model: string, instances: unknown) =>
  call(server.it, 'POST', `/v1/models/${model}:predict`, { instances });
const score = (model: string, data: unknown) => call(server.it, 'POST', '/score', { model_name: model, data });

async function predictions(model: string, instances: unknown): Promise<unknown> {
  const { status, body, text, headers } = await predict(model, instances);
  assert.equal(status, 200, text);
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.deepEqual(Object.keys(body), ['predictions']);
  return body.predictions;
}

test('models are listed, and each says that it is ready', async () => {
  const list = await call(server.it, 'GET', '/v1/models');
  assert.deepEqual(Object.keys(list.body), ['models']);
  assert.ok(list.body.models.includes('pair') && list.body.models.includes('text'));
  const { status, body } = await call(server.it, 'GET', '/v1/models/pair');
  assert.equal(status, 200);
  assert.deepEqual(body, { name: 'pair', ready: true });
});

test('one prediction an instance, in their order and shape', async () => {
  const vectors = [
    [1, 2],
    [3, 4],
    [5, 6],
  ];
  assert.deepEqual(await predictions('vector', vectors), vectors);
  assert.deepEqual(await predictions('of-FP32', [1.5, 2.5]), [1.5, 2.5]);
  assert.deepEqual(await predictions('of-BOOL', [true, false]), [true, false]);
  assert.deepEqual(await predictions('of-BYTES', ['a', '한국어', '']), ['a', '한국어', '']);
});

test('outputs of many dimensions come nested as the inputs do', async () => {
  const matrices = [
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    [
      [7, 8, 9],
      [10, 11, 12],
    ],
  ];
  assert.deepEqual(await predictions('matrix', matrices), matrices);
  const cubes = [
    [
      [[1], [2], [3]],
      [[4], [5], [6]],
    ],
  ];
  assert.deepEqual(await predictions('cube', cubes), cubes);
  assert.deepEqual(await predictions('matrix', [[[], []]]), [[[], []]]);
});

test('an instance may name the one input', async () => {
  assert.deepEqual(await predictions('vector', [{ x: [1, 2] }, { x: [3, 4] }]), [
    [1, 2],
    [3, 4],
  ]);
});

test('a model of several inputs takes objects, one of several outputs gives objects', async () => {
  const instances = [
    { a: [3, 4], b: [1, 1] },
    { b: [2, 2], a: [10, 20] },
  ];
  assert.deepEqual(await predictions('pair', instances), [
    { sum: [4, 5], difference: [2, 3] },
    { sum: [12, 22], difference: [8, 18] },
  ]);
});

test('whole numbers beyond 2^53 are exact, in any shape', async () => {
  const post = async (model: string, instances: string) =>
    (await call(server.it, 'POST', `/v1/models/${model}:predict`, `{"instances":${instances}}`)).text;
  const scalars = '[9223372036854775807,9007199254740993,-9007199254740993]';
  assert.equal(await post('of-INT64', scalars), `{"predictions":${scalars}}`);
  const cube = '[[[[9007199254740993]],[[-9223372036854775808]]]]';
  assert.equal(await post('cube', cube), `{"predictions":${cube}}`);
});

test('a task takes strings and says label, score and the likeliest of each', async () => {
  const [hello, unsure] = (await predictions('text', ['Hello', 'something else'])) as {
    label: string;
    score: number;
    top: { label: string; score: number }[];
  }[];
  assert.equal(hello!.label, 'greeting');
  assert.ok(hello!.score > 0.9 && hello!.score <= 1);
  assert.deepEqual(hello!.top.map(({ label }) => label).sort(), ['farewell', 'greeting', 'order']);
  assert.deepEqual(hello!.top[0], { label: 'greeting', score: hello!.score });
  // Below the threshold nothing is claimed, and what was likeliest can still be seen.
  assert.equal(unsure!.label, 'none');
  assert.ok(Math.abs(unsure!.score - 1 / 3) < 1e-6);
  assert.equal(unsure!.top.length, 3);
});

test('no instances, no predictions', async () => {
  assert.deepEqual(await predictions('vector', []), []);
  assert.deepEqual(await predictions('text', []), []);
});

test('an output that is not by row is never a broken answer', async () => {
  const answer = await predict('total', [1, 2, 3]);
  assert.doesNotThrow(() => JSON.parse(answer.text), answer.text);
  if (answer.status !== 200) refused(answer, 400);
  else assert.ok(!answer.text.includes('null'), answer.text);
});

test('a model with a closed batch answers instances of its size', async () => {
  const rows = [
    [1, 2, 3],
    [4, 5, 6],
  ];
  assert.deepEqual(await predictions('two-rows', rows), [
    [2, 4, 6],
    [8, 10, 12],
  ]);
  refused(await predict('two-rows', rows.slice(1)), 400);
});

test('a body that is not a prediction request is refused', async () => {
  for (const body of ['', '{', '[]', 'null', '{}', '{"instances":{}}', '{"instances":"x"}'])
    refused(await call(server.it, 'POST', '/v1/models/vector:predict', body), 400);
});

test('instances that do not fit the model are refused', async () => {
  const wrong: [string, unknown[]][] = [
    ['vector', [[1, 2, 3]]],
    ['vector', [1, 2]],
    ['vector', [[[1, 2]]]],
    ['vector', [[1, 2], [3]]],
    ['vector', [[1, 'x']]],
    ['vector', [null]],
    ['vector', ['x']],
    ['vector', [{}]],
    ['vector', [{ y: [1, 2] }]],
    ['vector', [[1, 2], { x: [3] }]],
    ['of-INT64', [0.5]],
    ['of-INT64', ['1']],
    ['of-BYTES', [1]],
    ['of-BOOL', ['yes']],
    ['pair', [{ a: [1, 2] }]],
    ['pair', [[1, 2]]],
    ['pair', [{ a: [1, 2], b: [1, 2] }, null]],
    ['text', [1]],
    ['text', [null]],
    ['text', [['hello']]],
    ['text', ['x'.repeat(20_001)]],
    ['embedding', [[0, models.ROWS]]],
    ['embedding', [[-1]]],
  ];
  for (const [model, instances] of wrong) refused(await predict(model, instances), 400);
});

test('lists of different lengths are refused even when their elements add up', async () => {
  refused(await predict('matrix', [[[1, 2], [3, 4, 5], [6]]]), 400);
  refused(
    await predict('cube', [
      [
        [[1], [2]],
        [[3, 4], []],
      ],
    ]),
    400,
  );
});

test('a bad instance among good ones is named', async () => {
  refused(await predict('text', ['hello', 7, 'bye']), 400, /1/);
  refused(await predict('pair', [{ a: [1, 2], b: [1, 2] }, { a: [1, 2] }]), 400, /1.*b/);
});

test('numbers that JSON does not have are strings that say them, never null', async () => {
  assert.deepEqual(await predictions('logarithm', [1, -1, 0]), [0, 'NaN', '-Infinity']);
  assert.deepEqual(await predictions('of-FP32', ['NaN', '-Infinity', 'Infinity', 1]), [
    'NaN',
    '-Infinity',
    'Infinity',
    1,
  ]);
});

test('models that are not there are a 404', async () => {
  refused(await predict('nobody', [1]), 404, /nobody/);
  refused(await call(server.it, 'GET', '/v1/models/nobody'), 404, /nobody/);
  refused(await call(server.it, 'GET', '/v1/models/vector/more'), 404);
  refused(await score('nobody', ['x']), 404, /nobody/);
});

test('/score answers `results` for `data`', async () => {
  const { status, body } = await score('text', ['hello', 'bye']);
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(body), ['results']);
  const labels = body.results.map(({ label }: { label: string }) => label);
  assert.deepEqual(labels, ['greeting', 'farewell']);
  assert.deepEqual((await score('vector', [[1, 2]])).body, { results: [[1, 2]] });
  assert.equal((await score('text', 'order')).body.results[0].label, 'order');
});

test('/score refuses what is not its request', async () => {
  for (const body of ['', '{}', '[]', '{"model_name":7,"data":[]}', '{"data":["x"]}', '{"model_name":"text"'])
    refused(await call(server.it, 'POST', '/score', body), 400);
  refused(await call(server.it, 'POST', '/score', { model_name: 'text' }), 400);
  refused(await score('text', [7]), 400);
  refused(await score('text', null), 400);
});

test('/healthcheck answers 200', async () => {
  assert.equal((await call(server.it, 'GET', '/healthcheck')).status, 200);
});
