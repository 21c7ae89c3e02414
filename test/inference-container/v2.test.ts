import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { call, index, infer, refused, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** Open Inference Protocol V2 over REST, with JSON bodies. */
const server = useServer(
  async (folder) => {
    for (const type of models.allDatatypes)
      await writeModel(folder, `of-${type}`, '1', models.identity(type, ['batch', 'n']));
    await writeModel(folder, 'pair', '1', models.sumAndDifference());
    await writeModel(folder, 'two-rows', '1', models.doubleOfTwoRows());
    await writeModel(folder, 'logarithm', '1', models.logarithm());
    await writeModel(folder, 'total', '1', models.total());
    await writeModel(folder, 'scalar', '1', models.identity('INT64', []));
    await writeModel(folder, 'cube', '1', models.identity('INT32', ['batch', 2, 'n']));
    await writeModel(folder, 'text', '1', models.text(), models.textPackage);
    for (const version of ['9', '10']) await writeModel(folder, 'plus', version, models.plus(Number(version)));
    await writeModel(folder, 'newest', '9', models.plus(9));
    await writeModel(folder, 'newest', '10', models.plus(10));
    await writeFile(join(folder, 'plus/config.json'), JSON.stringify({ versions: 'all' }));
  },
  { fronts: 1 },
);

const get = (path: string) => call(server.it, 'GET', path);
const input = (datatype: string, shape: unknown, data: unknown, name = 'x') => ({ name, shape, datatype, data });

test('the server says its name, version and extensions', async () => {
  const { status, body, headers } = await get('/v2');
  assert.equal(status, 200);
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.deepEqual(Object.keys(body).sort(), ['extensions', 'name', 'version']);
  assert.equal(typeof body.name, 'string');
  assert.match(body.version, /^\d+\.\d+/);
  assert.ok(body.extensions.includes('binary_tensor_data'));
  assert.ok(body.extensions.includes('model_repository'));
  assert.equal((await get('/v2/')).status, 200);
});

test('it is live and ready', async () => {
  assert.deepEqual((await get('/v2/health/live')).body, { live: true });
  assert.deepEqual((await get('/v2/health/ready')).body, { ready: true });
});

test('a model and its versions are ready, by name', async () => {
  for (const path of ['plus', 'plus/versions/9', 'plus/versions/10']) {
    const { status, body } = await get(`/v2/models/${path}/ready`);
    assert.equal(status, 200);
    assert.deepEqual(body, { name: 'plus', ready: true });
  }
});

test('metadata names versions, platform, and every tensor with its datatype and shape', async () => {
  const { status, body } = await get('/v2/models/pair');
  assert.equal(status, 200);
  assert.deepEqual(body, {
    name: 'pair',
    versions: ['1'],
    platform: 'onnxruntime_onnx',
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [-1, 2] },
      { name: 'b', datatype: 'FP32', shape: [-1, 2] },
    ],
    outputs: [
      { name: 'sum', datatype: 'FP32', shape: [-1, 2] },
      { name: 'difference', datatype: 'FP32', shape: [-1, 2] },
    ],
    parameters: { batching: 'proven' },
  });
  for (const type of models.allDatatypes) {
    const metadata = (await get(`/v2/models/of-${type}`)).body;
    assert.deepEqual(metadata.inputs, [{ name: 'x', datatype: type, shape: [-1, -1] }]);
    assert.deepEqual(metadata.outputs, [{ name: 'y', datatype: type, shape: [-1, -1] }]);
  }
  assert.deepEqual((await get('/v2/models/total')).body.outputs, [{ name: 'y', datatype: 'FP32', shape: [] }]);
  assert.deepEqual((await get('/v2/models/two-rows')).body.inputs, [{ name: 'x', datatype: 'FP32', shape: [2, 3] }]);
});

test('metadata of a task is what its clients send and get: strings, labels, scores', async () => {
  const { body } = await get('/v2/models/text');
  assert.deepEqual(body.inputs, [{ name: 'text', datatype: 'BYTES', shape: [-1] }]);
  const outputs = body.outputs.map(({ name, datatype }: { name: string; datatype: string }) => `${name} ${datatype}`);
  assert.deepEqual(outputs, ['label BYTES', 'score FP32', 'top_labels BYTES', 'top_scores FP32']);
});

test('metadata lists all versions in their order, whichever version is asked for', async () => {
  for (const path of ['plus', 'plus/versions/9'])
    assert.deepEqual((await get(`/v2/models/${path}`)).body.versions, ['9', '10']);
});

test('the newest version answers by default, 10 being newer than 9, and a named one when asked', async () => {
  const x = [input('INT64', [1], [1])];
  const { body } = await infer(server.it, 'plus', x);
  assert.equal(body.model_version, '10');
  assert.deepEqual(body.outputs[0].data, [11]);
  assert.deepEqual((await infer(server.it, 'plus/versions/9', x)).body.outputs[0].data, [10]);
  assert.equal((await infer(server.it, 'newest', x)).body.model_version, '10');
  refused(await infer(server.it, 'newest/versions/9', x), 404);
});

test('an answer has the model, its version, the id and every output with name, datatype, shape and data', async () => {
  const { status, body, headers } = await infer(
    server.it,
    'pair',
    [input('FP32', [2, 2], [1, 2, 3, 4], 'a'), input('FP32', [2, 2], [0.5, 0.5, 0.5, 0.5], 'b')],
    { id: 'request "7"' },
  );
  assert.equal(status, 200);
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.equal(headers.get('inference-header-content-length'), null);
  assert.deepEqual(body, {
    model_name: 'pair',
    model_version: '1',
    id: 'request "7"',
    outputs: [
      { name: 'sum', datatype: 'FP32', shape: [2, 2], data: [1.5, 2.5, 3.5, 4.5] },
      { name: 'difference', datatype: 'FP32', shape: [2, 2], data: [0.5, 1.5, 2.5, 3.5] },
    ],
  });
});

test('without an id there is none in the answer', async () => {
  const { body } = await infer(server.it, 'plus', [input('INT64', [1], [1])]);
  assert.ok(!('id' in body));
});

test('inputs may come in any order', async () => {
  const { body } = await infer(server.it, 'pair', [
    input('FP32', [1, 2], [1, 1], 'b'),
    input('FP32', [1, 2], [3, 4], 'a'),
  ]);
  assert.deepEqual(body.outputs[1].data, [2, 3]);
});

test('only the outputs that were asked for are answered, in their order', async () => {
  const inputs = [input('FP32', [1, 2], [1, 2], 'a'), input('FP32', [1, 2], [1, 1], 'b')];
  const names = async (outputs: string[]) => {
    const { body } = await infer(server.it, 'pair', inputs, { outputs: outputs.map((name) => ({ name })) });
    return body.outputs.map(({ name, data }: { name: string; data: number[] }) => `${name} ${data}`);
  };
  assert.deepEqual(await names(['difference']), ['difference 0,1']);
  assert.deepEqual(await names(['difference', 'sum']), ['difference 0,1', 'sum 2,3']);
  assert.deepEqual(await names([]), ['sum 2,3', 'difference 0,1']);
  const text = await infer(server.it, 'text', [input('BYTES', [1], ['hello'], 'text')], {
    outputs: [{ name: 'label' }],
  });
  assert.deepEqual(text.body.outputs, [{ name: 'label', datatype: 'BYTES', shape: [1], data: ['greeting'] }]);
});

test('parameters that mean nothing to the server are allowed, of every type the protocol has', async () => {
  const parameters = { sequence_id: 9_007_199_254_740_991, name: 'x', flag: true, share: 0.5 };
  const x = { ...input('INT64', [1], [1]), parameters: { content_type: 'np' } };
  const { status, body } = await infer(server.it, 'plus', [x], {
    parameters,
    outputs: [{ name: 'y', parameters: { content_type: 'np' } }],
  });
  assert.equal(status, 200);
  assert.deepEqual(body.outputs[0].data, [11]);
});

test('a parameter may be any 64-bit number', async () => {
  const body =
    '{"parameters":{"sequence_id":18446744073709551615},"inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[1]}]}';
  const answer = await call(server.it, 'POST', '/v2/models/plus/infer', body);
  assert.equal(answer.status, 200, answer.text);
});

const exact: Record<models.Datatype, string> = {
  BOOL: 'true,false',
  UINT8: '0,255',
  UINT16: '0,65535',
  UINT32: '0,4294967295',
  UINT64: '0,9007199254740993,18446744073709551615',
  INT8: '-128,127',
  INT16: '-32768,32767',
  INT32: '-2147483648,2147483647',
  INT64:
    '-9223372036854775808,-9007199254740993,9007199254740991,9007199254740992,9007199254740993,9223372036854775807',
  FP16: '0.5,-65504,5.960464477539063e-8,0.0999755859375',
  FP32: '0.5,-3.4028234663852886e+38,1.401298464324817e-45,0.10000000149011612,16777216',
  FP64: '0.1,-1.7976931348623157e+308,5e-324,9007199254740992,0.30000000000000004',
  BYTES: '"","한국어 😀","a\\"b\\\\n\\n"',
};

for (const [type, data] of Object.entries(exact))
  test(`${type}: every value comes back exactly as it went in`, async () => {
    const count = (JSON.parse(`[${data}]`) as unknown[]).length;
    const body = `{"inputs":[{"name":"x","shape":[1,${count}],"datatype":"${type}","data":[${data}]}]}`;
    const { status, text } = await call(server.it, 'POST', `/v2/models/of-${type}/infer`, body);
    assert.equal(status, 200, text);
    const came = /"data":\[(.*)\]\}\]\}$/.exec(text)?.[1] ?? '';
    if (type.startsWith('FP')) assert.deepEqual(JSON.parse(`[${came}]`), JSON.parse(`[${data}]`));
    else assert.equal(came, data);
  });

test('float16 is rounded to the nearest', async () => {
  const { body } = await infer(server.it, 'of-FP16', [input('FP16', [1, 2], [0.1, 2049])]);
  assert.deepEqual(body.outputs[0].data, [0.0999755859375, 2048]);
});

test('a minus zero keeps its sign', async () => {
  for (const type of ['FP16', 'FP32', 'FP64']) {
    const body = `{"inputs":[{"name":"x","shape":[1,1],"datatype":"${type}","data":[-0.0]}]}`;
    const answer = await call(server.it, 'POST', `/v2/models/of-${type}/infer`, body);
    assert.ok(Object.is(answer.body.outputs[0].data[0], -0), `${type}: ${answer.text}`);
  }
});

test('a string with a zero character is whole, or refused: never cut', async () => {
  const answer = await infer(server.it, 'of-BYTES', [input('BYTES', [1, 2], ['a\u0000b', 'c'])]);
  if (answer.status === 200) assert.deepEqual(answer.body.outputs[0].data, ['a\u0000b', 'c']);
  else refused(answer, 400);
});

test('data may be flat or nested, row by row', async () => {
  const flat = [1, 2, 3, 4, 5, 6, 7, 8];
  const nested = [
    [
      [1, 2],
      [3, 4],
    ],
    [
      [5, 6],
      [7, 8],
    ],
  ];
  for (const data of [flat, nested]) {
    const { body } = await infer(server.it, 'cube', [input('INT32', [2, 2, 2], data)]);
    assert.deepEqual(body.outputs[0], { name: 'y', datatype: 'INT32', shape: [2, 2, 2], data: flat });
  }
});

test('tensors of no rank and of no elements are tensors', async () => {
  const scalar = await infer(server.it, 'scalar', [input('INT64', [], [7])]);
  assert.deepEqual(scalar.body.outputs, [{ name: 'y', datatype: 'INT64', shape: [], data: [7] }]);
  const none = await infer(server.it, 'of-INT64', [input('INT64', [0, 3], [])]);
  assert.equal(none.status, 200, none.text);
  assert.deepEqual(none.body.outputs, [{ name: 'y', datatype: 'INT64', shape: [0, 3], data: [] }]);
  const total = await infer(server.it, 'total', [input('FP32', [3], [1, 2, 3])]);
  assert.deepEqual(total.body.outputs, [{ name: 'y', datatype: 'FP32', shape: [], data: [6] }]);
});

test('a task takes strings and gives labels, scores and the likeliest of each row', async () => {
  const { body } = await infer(server.it, 'text', [input('BYTES', [3], ['hello', 'order', ''], 'text')]);
  const by = Object.fromEntries(body.outputs.map((output: { name: string }) => [output.name, output]));
  assert.deepEqual(by.label.data, ['greeting', 'order', 'none']);
  assert.deepEqual(by.score.shape, [3]);
  assert.ok(by.score.data[0] > 0.9);
  assert.deepEqual(by.top_labels.shape, [3, 3]);
  assert.deepEqual(by.top_labels.data.slice(3, 4), ['order']);
  assert.equal(by.top_scores.data.length, 9);
});

const infinite = (type: string, data: string) =>
  `{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1,1],"datatype":"${type}","data":[${data}]}]}`;

for (const type of ['FP16', 'FP32', 'FP64'])
  test(`${type}: NaN and the infinities come and go as strings, and as nothing else`, async () => {
    const post = (data: string) => call(server.it, 'POST', `/v2/models/of-${type}/infer`, infinite(type, data));
    for (const data of ['1e400', '-1e400', '"nan"', '"inf"', '"1"', 'nan', 'NaNs', '+Infinity', '--Infinity'])
      refused(await post(data), 400);
    const read = new (type === 'FP64' ? Float64Array : Float32Array)(1);
    for (const [data, expected] of [
      ['null', Number.NaN],
      ['NaN', Number.NaN],
      ['Infinity', Number.POSITIVE_INFINITY],
      ['-Infinity', Number.NEGATIVE_INFINITY],
    ] as const) {
      const { status, bytes, headers, text } = await post(data);
      assert.equal(status, 200, text);
      if (type === 'FP16') continue;
      new Uint8Array(read.buffer).set(bytes.subarray(Number(headers.get('inference-header-content-length'))));
      assert.deepEqual(read[0], expected, data);
    }
    for (const data of ['NaN', 'Infinity', '-Infinity']) {
      const { body } = await infer(server.it, `of-${type}`, [input(type, [1, 2], [data, 0.5])]);
      assert.deepEqual(body.outputs[0].data, [data, 0.5]);
    }
  });

test('a number beyond its float datatype is refused, as one beyond an integer datatype is', async () => {
  refused(await call(server.it, 'POST', '/v2/models/of-FP16/infer', infinite('FP16', '70000')), 400);
  refused(await call(server.it, 'POST', '/v2/models/of-FP32/infer', infinite('FP32', '1e39')), 400);
});

test('NaN and infinities that a model makes are strings in JSON', async () => {
  const { body } = await infer(server.it, 'logarithm', [input('FP32', [3], [0, -1, 1])]);
  assert.deepEqual(body.outputs[0].data, ['-Infinity', 'NaN', 0]);
});

test('a value that is not of its datatype is refused, and the element named', async () => {
  const wrong: Partial<Record<models.Datatype, unknown[]>> = {
    BOOL: [2, 'true', null, -1],
    UINT8: [-1, 256, 0.5, '1', null, true],
    UINT16: [-1, 65_536],
    UINT32: [-1, 4_294_967_296],
    UINT64: [-1, 1.5, '1'],
    INT8: [-129, 128],
    INT16: [-32_769, 32_768],
    INT32: [-2_147_483_649, 2_147_483_648],
    INT64: [0.5, '1', null, {}, 1e30],
    FP16: ['1', true, {}],
    FP32: ['1', true, {}],
    FP64: ['1', true, {}],
    BYTES: [1, null, true, {}],
  };
  for (const [type, values] of Object.entries(wrong))
    for (const value of values) {
      const good = type === 'BYTES' ? 'a' : 1;
      const answer = await infer(server.it, `of-${type}`, [
        input(type, [1, 2], [type === 'BOOL' ? true : good, value]),
      ]);
      refused(answer, 400, /x.*1/);
    }
  for (const number of [
    '9223372036854775808',
    '-9223372036854775809',
    '100000000000000000000000',
    '9007199254740993.5',
  ]) {
    const body = `{"inputs":[{"name":"x","shape":[1,1],"datatype":"INT64","data":[${number}]}]}`;
    refused(await call(server.it, 'POST', '/v2/models/of-INT64/infer', body), 400, /x/);
  }
  const tooLarge = '{"inputs":[{"name":"x","shape":[1,1],"datatype":"UINT64","data":[18446744073709551616]}]}';
  refused(await call(server.it, 'POST', '/v2/models/of-UINT64/infer', tooLarge), 400, /x/);
});

test('inputs that are unknown, missing or given twice are refused by name', async () => {
  const a = input('FP32', [1, 2], [1, 2], 'a');
  const b = input('FP32', [1, 2], [1, 2], 'b');
  refused(await infer(server.it, 'pair', [a, b, input('FP32', [1], [1], 'stranger')]), 400, /stranger/);
  refused(await infer(server.it, 'pair', [a]), 400, /b/);
  refused(await infer(server.it, 'pair', [a, b, a]), 400, /a/);
  refused(await infer(server.it, 'pair', []), 400);
  refused(await infer(server.it, 'pair', [{ ...a, name: '__proto__' }, b]), 400);
  refused(await infer(server.it, 'pair', [a, b], { outputs: [{ name: 'stranger' }] }), 400, /stranger/);
});

test('datatypes, shapes, ranks and counts that do not fit are refused, and the right ones named', async () => {
  const pair = (a: object) =>
    infer(server.it, 'pair', [{ ...input('FP32', [1, 2], [1, 2], 'a'), ...a }, input('FP32', [1, 2], [1, 2], 'b')]);
  refused(await pair({ datatype: 'FP64' }), 400, /a.*FP32/);
  refused(await pair({ datatype: 'fp32' }), 400, /a.*FP32/);
  refused(await pair({ datatype: 'COMPLEX' }), 400, /a.*FP32/);
  refused(await pair({ datatype: undefined }), 400);
  refused(await pair({ shape: [1, 3], data: [1, 2, 3] }), 400, /a.*2/);
  refused(await pair({ shape: [2], data: [1, 2] }), 400, /a.*2/);
  refused(await pair({ shape: [1, 2, 1] }), 400, /a/);
  refused(await pair({ shape: [1, 2], data: [1] }), 400, /a/);
  refused(await pair({ shape: [1, 2], data: [1, 2, 3] }), 400, /a/);
  refused(await pair({ shape: [1, 2], data: [[1, 2, 3]] }), 400, /a/);
  refused(await pair({ shape: [-1, 2] }), 400, /a/);
  refused(await pair({ shape: [0.5, 2] }), 400, /a/);
  refused(await pair({ shape: ['1', 2] }), 400, /a/);
  refused(await pair({ shape: [2 ** 40, 2] }), 400, /a/);
  refused(await pair({ shape: 2 }), 400, /a/);
  refused(await pair({ shape: undefined }), 400, /a/);
  refused(await pair({ data: undefined }), 400, /a/);
  refused(await pair({ data: 5 }), 400, /a/);
  refused(await pair({ data: { 0: 1, 1: 2 } }), 400, /a/);
  const closed = input('FP32', [1, 3], [1, 2, 3]);
  refused(await infer(server.it, 'two-rows', [closed]), 400, /x.*2,\s?3/);
});

test('a body that is not an inference request is refused', async () => {
  const post = (body: string) => call(server.it, 'POST', '/v2/models/plus/infer', body);
  for (const body of ['', '{', 'null', '[]', '"x"', '1', '{}', '{"inputs":{}}', '{"inputs":[1]}', '{"inputs":null}'])
    refused(await post(body), 400);
  const x = input('INT64', [1], [1]);
  refused(await infer(server.it, 'plus', [x], { id: 7 }), 400, /id/);
  refused(await infer(server.it, 'plus', [x], { outputs: 'y' }), 400, /outputs/);
  refused(await infer(server.it, 'plus', [x], { outputs: ['y'] }), 400, /outputs/);
  refused(await infer(server.it, 'plus', [x], { parameters: 1 }), 400, /parameters/);
});

test('models and versions that are not there are a 404 that names them, on every path', async () => {
  const x = [input('INT64', [1], [1])];
  for (const path of [
    'nobody',
    'nobody/ready',
    'plus/versions/8',
    'plus/versions/8/ready',
    '..%2Fplus',
    '__proto__',
    'constructor',
  ])
    refused(await get(`/v2/models/${path}`), 404);
  refused(await infer(server.it, 'nobody', x), 404, /nobody/);
  refused(await infer(server.it, 'plus/versions/8', x), 404, /8/);
  refused(await infer(server.it, 'plus/versions/__proto__', x), 404);
  refused(await get('/v2/nothing'), 404);
  refused(await get('/v2/models'), 404);
  refused(await get('/v2/models/plus/nothing'), 404);
  refused(await get('/v2/models/plus/ready/more'), 404);
  refused(await get('/v2/models/plus/versions/9/ready/more'), 404);
  refused(await get('/v2/health/nothing'), 404);
  refused(await get('/v2/models/%ff'), 400);
});

test('a method that a path does not have is a 405 that says which it has', async () => {
  const wrong: [string, string, string][] = [
    ['POST', '/v2', 'GET'],
    ['POST', '/v2/health/live', 'GET'],
    ['POST', '/v2/health/ready', 'GET'],
    ['POST', '/v2/models/plus', 'GET'],
    ['DELETE', '/v2/models/plus', 'GET'],
    ['POST', '/v2/models/plus/ready', 'GET'],
    ['GET', '/v2/models/plus/infer', 'POST'],
    ['PUT', '/v2/models/plus/versions/9/infer', 'POST'],
    ['GET', '/v2/repository/index', 'POST'],
    ['GET', '/v2/repository/models/plus/load', 'POST'],
    ['GET', '/v2/repository/models/plus/unload', 'POST'],
    ['GET', '/v1/models/plus:predict', 'POST'],
    ['POST', '/v1/models', 'GET'],
    ['GET', '/score', 'POST'],
    ['POST', '/healthcheck', 'GET'],
    ['POST', '/metrics', 'GET'],
  ];
  for (const [method, path, allowed] of wrong) {
    const answer = await call(server.it, method, path);
    refused(answer, 405);
    assert.match(answer.headers.get('allow') ?? '', new RegExp(allowed), path);
  }
  assert.ok((await index(server.it, 'plus')).every(({ state }) => state === 'READY'));
});

test('HEAD is GET without a body', async () => {
  const { status, text } = await call(server.it, 'HEAD', '/v2/health/live');
  assert.equal(status, 200);
  assert.equal(text, '');
});

test('a timeout is microseconds, and not a number of them is refused', async () => {
  const x = [input('INT64', [1], [1])];
  assert.equal((await infer(server.it, 'plus', x, { parameters: { timeout: 20_000_000 } })).status, 200);
  for (const timeout of [-1, 'soon', true])
    refused(await infer(server.it, 'plus', x, { parameters: { timeout } }), 400, /timeout/);
});

test('metrics count requests by model, version and code, and time their phases', async () => {
  const { text } = await get('/metrics');
  assert.match(text, /^# TYPE maru_inference_requests_total counter$/m);
  assert.match(text, /^maru_inference_requests_total\{model="plus",version="10",code="200"\} [1-9]/m);
  assert.match(text, /^maru_inference_requests_total\{model="pair",version="1",code="400"\} [1-9]/m);
  for (const phase of ['queue', 'preprocess', 'compute', 'postprocess', 'total'])
    assert.match(text, new RegExp(`^maru_inference_seconds_count\\{.*model="plus".*phase="${phase}".*\\} [1-9]`, 'm'));
  assert.match(text, /^maru_inference_batch_rows_count\{model="plus",version="10"\} [1-9]/m);
  assert.match(text, /^maru_models_loaded\{model="plus",version="9"\} 1$/m);
  assert.match(text, /^maru_inference_queue_requests\{model="plus",version="10"\} 0$/m);
  assert.match(text, /^process_resident_memory_bytes [1-9]/m);
});
