import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { timeoutOf } from '../../inference-container/protocol/v2.ts';
import { call, infer, refused, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** What clients of other servers send and expect, beside what the protocol asks for. */
const server = useServer(
  async (folder) => {
    await writeModel(folder, 'plus', '1', models.plus(1));
    await writeModel(folder, 'plus', '2', models.plus(2));
    await writeModel(folder, 'spare', '1', models.plus(1));
    await writeModel(folder, 'pair', '1', models.sumAndDifference());
    await writeModel(folder, 'column', '1', models.identity('FP32', ['batch', 1]));
    await writeModel(folder, 'matrix', '1', models.identity('FP32', ['batch', 2]));
    await writeModel(folder, 'cube', '1', models.identity('INT32', ['batch', 2, 2]));
    await writeModel(folder, 'two-rows', '1', models.doubleOfTwoRows());
    await writeModel(folder, 'text', '1', models.text(), models.textPackage);
    await writeModel(folder, 'strings', '1', models.identity('BYTES'));
  },
  { fronts: 1, settings: { BODY_MEGABYTES: '1', QUEUE_MEGABYTES: '2' } },
);
const input = (datatype: string, shape: number[], data: unknown, name = 'x') => ({ name, datatype, shape, data });

test('keys that are not known are ignored, and null is absence', async () => {
  const body = {
    id: null,
    model_name: 'plus',
    model_version: null,
    parameters: null,
    raw_input_contents: [],
    inputs: [{ ...input('INT64', [1], [1]), parameters: null, contents: null }],
    outputs: null,
  };
  const { status, body: answer, text } = await call(server.it, 'POST', '/v2/models/plus/infer', body);
  assert.equal(status, 200, text);
  assert.deepEqual(answer, {
    model_name: 'plus',
    model_version: '2',
    outputs: [{ name: 'y', datatype: 'INT64', shape: [1], data: [3] }],
  });
  const nested = { ...body, parameters: { a: { b: [] }, c: null, timeout: null, sequence_id: 4, priority: 1 } };
  assert.equal((await call(server.it, 'POST', '/v2/models/plus/infer', nested)).status, 200);
  const wanted = { ...body, outputs: [{ name: 'y', parameters: null, datatype: 'INT64' }] };
  assert.equal((await call(server.it, 'POST', '/v2/models/plus/infer', wanted)).status, 200);
});

test('what would mean something else if it were ignored is refused', async () => {
  const x = input('INT64', [1], [1]);
  const region = { shared_memory_region: 'r', shared_memory_byte_size: 8 };
  refused(await infer(server.it, 'plus', [{ ...x, parameters: region }]), 400, /x: shared memory is not offered/);
  const outputs = (parameters: object) => ({ outputs: [{ name: 'y', parameters }] });
  refused(await infer(server.it, 'plus', [x], outputs(region)), 400, /y: shared memory is not offered/);
  refused(await infer(server.it, 'plus', [x], outputs({ classification: 3 })), 400, /classification is not offered/);
  for (const parameters of [{ config: '{}' }, { 'file:1/model.onnx': 'aGVsbG8=' }])
    refused(
      await call(server.it, 'POST', '/v2/repository/models/plus/load', { parameters }),
      400,
      /from the repository/,
    );
});

test('nested data has the shape that it says, or is refused', async () => {
  const right = [
    [
      [
        [1, 2],
        [3, 4],
      ],
    ],
    [[1, 2, 3, 4]].flat(),
  ];
  for (const data of right)
    assert.equal((await infer(server.it, 'cube', [input('INT32', [1, 2, 2], data)])).status, 200);
  const wrong = [
    [[[1, 2, 3], [4]]],
    [[[1], [2, 3, 4]]],
    [[1, 2, 3, 4]],
    [
      [1, 2],
      [3, 4],
    ],
    [[[1, 2]], [[3, 4]]],
    [1, [2, 3, 4]],
    [1, 2, 3, [4]],
    [[[1, 2], 3, 4]],
    [
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    ],
    [
      [
        [1, 2],
        [3, [4]],
      ],
    ],
  ];
  for (const data of wrong)
    refused(await infer(server.it, 'cube', [input('INT32', [1, 2, 2], data)]), 400, /x: (data|element)/);
});

test('V1 takes whole columns, and gives them back', async () => {
  const post = (name: string, body: object) => call(server.it, 'POST', `/v1/models/${name}:predict`, body);
  assert.deepEqual(
    (
      await post('matrix', {
        inputs: [
          [1, 2],
          [3, 4],
        ],
      })
    ).body,
    {
      outputs: [
        [1, 2],
        [3, 4],
      ],
    },
  );
  assert.deepEqual((await post('matrix', { inputs: { x: [[1, 2]] } })).body, { outputs: [[1, 2]] });
  const pair = {
    a: [
      [1, 2],
      [3, 4],
    ],
    b: [
      [1, 1],
      [1, 1],
    ],
  };
  const both = {
    sum: [
      [2, 3],
      [4, 5],
    ],
    difference: [
      [0, 1],
      [2, 3],
    ],
  };
  assert.deepEqual((await post('pair', { inputs: pair, signature_name: 'serving_default' })).body, { outputs: both });
  assert.deepEqual(
    (
      await post('two-rows', {
        inputs: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      })
    ).body.outputs,
    [
      [2, 4, 6],
      [8, 10, 12],
    ],
  );
  const texts = (await post('text', { inputs: ['Hello', 'order'] })).body.outputs;
  assert.deepEqual(
    texts.map(({ label }: { label: string }) => label),
    ['greeting', 'order'],
  );
  refused(await post('pair', { inputs: [[1, 2]] }), 400, /by name/);
  refused(await post('pair', { inputs: { a: [[1, 2]] } }), 400, /b is missing/);
  refused(await post('pair', { inputs: { ...pair, c: [1] } }), 400, /no input c/);
  refused(await post('matrix', { inputs: [1, 2] }), 400, /x: expected shape/);
  refused(await post('matrix', { inputs: null }), 400);
  refused(await post('matrix', { inputs: [[1, 2]], instances: [[1, 2]] }), 400);
});

test('a scalar is a row of one column, where the model has one column', async () => {
  const post = (body: object) => call(server.it, 'POST', '/v1/models/column:predict', body);
  assert.deepEqual((await post({ instances: [1.5, 2.5] })).body, { predictions: [[1.5], [2.5]] });
  assert.deepEqual((await post({ instances: [{ x: 1.5 }, 2.5] })).body, { predictions: [[1.5], [2.5]] });
  assert.deepEqual((await post({ inputs: [1.5, 2.5] })).body, { outputs: [[1.5], [2.5]] });
  refused(await call(server.it, 'POST', '/v1/models/matrix:predict', { instances: [1, 2] }), 400);
});

test('`GET /` says alive, and what V1 has beside prediction is a 404', async () => {
  assert.deepEqual((await call(server.it, 'GET', '/')).body, { status: 'alive' });
  refused(await call(server.it, 'POST', '/v1/models/plus:explain', {}), 404, /explain/);
});

test('the configuration is as Triton tells it', async () => {
  const { body } = await call(server.it, 'GET', '/v2/models/pair/config');
  assert.deepEqual(body, {
    name: 'pair',
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    max_batch_size: 64,
    input: [
      { name: 'a', data_type: 'TYPE_FP32', dims: [2] },
      { name: 'b', data_type: 'TYPE_FP32', dims: [2] },
    ],
    output: [
      { name: 'sum', data_type: 'TYPE_FP32', dims: [2] },
      { name: 'difference', data_type: 'TYPE_FP32', dims: [2] },
    ],
    dynamic_batching: { max_queue_delay_microseconds: 0 },
  });
  const closed = (await call(server.it, 'GET', '/v2/models/two-rows/versions/1/config')).body;
  assert.equal(closed.max_batch_size, 0);
  assert.deepEqual(closed.input, [{ name: 'x', data_type: 'TYPE_FP32', dims: [2, 3] }]);
  assert.equal((await call(server.it, 'GET', '/v2/models/strings/config')).body.input[0].data_type, 'TYPE_STRING');
  refused(await call(server.it, 'GET', '/v2/models/nobody/config'), 404);
  refused(await call(server.it, 'POST', '/v2/models/pair/config'), 405);
});

test('the statistics count what was asked, refused and run', async () => {
  const before = Date.now();
  for (let time = 0; time < 5; time += 1) await infer(server.it, 'strings', [input('BYTES', [3], ['a', 'b', 'c'])]);
  for (let time = 0; time < 2; time += 1) await infer(server.it, 'strings', [input('BYTES', [3], ['a'])]);
  const { body } = await call(server.it, 'GET', '/v2/models/strings/stats');
  const [own] = body.model_stats;
  assert.deepEqual([own.name, own.version, own.inference_count, own.execution_count], ['strings', '1', 15, 5]);
  assert.ok(own.last_inference >= before && own.last_inference <= Date.now());
  const { success, fail, compute_infer: run } = own.inference_stats;
  assert.deepEqual([success.count, fail.count], [5, 2]);
  assert.ok(success.ns > run.ns && run.ns > 0 && fail.ns > 0);
  const all = (await call(server.it, 'GET', '/v2/models/stats')).body.model_stats;
  assert.equal(all.length, 9);
  assert.deepEqual(
    all.find(({ name }: { name: string }) => name === 'strings'),
    own,
  );
  assert.equal((await call(server.it, 'GET', '/v2/models/strings/versions/1/stats')).body.model_stats.length, 1);
  refused(await call(server.it, 'GET', '/v2/models/nobody/stats'), 404);
});

test('OpenAPI names every path, and each that it names is there', async () => {
  const { body } = await call(server.it, 'GET', '/openapi.json');
  assert.equal(body.openapi, '3.1.0');
  const paths = Object.keys(body.paths);
  for (const path of ['/v2/models/{model}/infer', '/v1/models/{model}:predict', '/score', '/v2/repository/index'])
    assert.ok(paths.includes(path), path);
  for (const [path, operations] of Object.entries(body.paths as Record<string, object>))
    for (const method of Object.keys(operations)) {
      const real = path.replace('{model}', /load$/.test(path) ? 'spare' : 'plus').replace('{version}', '2');
      const answer = await call(server.it, method.toUpperCase(), real);
      assert.ok(![404, 405].includes(answer.status), `${method} ${real}: ${answer.text}`);
      const other = method === 'get' ? 'DELETE' : 'GET';
      assert.equal((await call(server.it, other, real)).status, 405, `${other} ${real}`);
    }
});

/** The answer as it came over the wire. */
function raw(path: string, body: Uint8Array | string, headers: Record<string, string>, method = 'POST') {
  return new Promise<{ status: number; headers: Record<string, unknown>; bytes: Buffer }>((resolve, reject) => {
    const asked = request(`${server.it.url}${path}`, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes: Buffer.concat(chunks) }),
      );
    });
    asked.on('error', reject).end(body);
  });
}

const coded = { gzip: gzipSync, deflate: deflateSync, 'x-gzip': gzipSync, GZIP: gzipSync } as const;

test('packed bodies are read: JSON, binary, and by a front too', async () => {
  const json = JSON.stringify({ inputs: [input('INT64', [1], [1])] });
  for (const [name, pack] of Object.entries(coded)) {
    const { status, bytes } = await raw('/v2/models/plus/infer', pack(json), { 'content-encoding': name });
    assert.equal(status, 200, bytes.toString());
    assert.deepEqual(JSON.parse(bytes.toString()).outputs[0].data, [3]);
  }
  // Without the header of zlib, as some clients have it.
  const bare = await raw('/v2/models/plus/infer', deflateRawSync(json), { 'content-encoding': 'deflate' });
  assert.equal(bare.status, 200);
  const plain = await raw('/v2/models/plus/infer', json, { 'content-encoding': 'identity' });
  assert.equal(plain.status, 200);
  const head = JSON.stringify({
    inputs: [{ name: 'x', datatype: 'INT64', shape: [1], parameters: { binary_data_size: 8 } }],
  });
  const whole = Buffer.concat([Buffer.from(head), new Uint8Array(BigInt64Array.of(7n).buffer)]);
  const binary = await raw('/v2/models/plus/infer', gzipSync(whole), {
    'content-encoding': 'gzip',
    'inference-header-content-length': String(head.length),
  });
  assert.deepEqual(JSON.parse(binary.bytes.toString()).outputs[0].data, [9]);
});

test('what is not packed as it says, or in another way, or unpacks to too much, is refused', async () => {
  const ask = async (body: Uint8Array, coding: string) => {
    const { status, bytes, headers } = await raw('/v2/models/plus/infer', body, { 'content-encoding': coding });
    return { status, text: bytes.toString(), headers };
  };
  for (const body of [Buffer.from('{}'), gzipSync('{"inputs":[]}').subarray(0, 12), Buffer.alloc(0)])
    assert.equal((await ask(body, 'gzip')).status, 400);
  for (const coding of ['br', 'zstd', 'gzip, gzip', 'compress']) {
    const answer = await ask(Buffer.from('{}'), coding);
    assert.equal(answer.status, 415, coding);
    assert.equal(answer.headers['accept-encoding'], 'gzip, deflate');
  }
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  assert.ok(bomb.length < 100_000);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(bomb, 'gzip')));
  for (const { status } of answers) assert.ok(status === 413 || status === 503, String(status));
  assert.equal((await ask(gzipSync(JSON.stringify({ inputs: [input('INT64', [1], [1])] })), 'gzip')).status, 200);
});

test('answers are packed for who asks, where it saves something, and only what a model answered', async () => {
  const data = Array.from({ length: 1_000 }, (_, at) => at);
  const body = JSON.stringify({ inputs: [input('INT64', [1_000], data)] });
  const small = JSON.stringify({ inputs: [input('INT64', [1], [1])] });
  const unpack = { gzip: gunzipSync, deflate: inflateSync } as const;
  for (const [accepted, coding] of [
    ['gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['gzip, deflate, br', 'gzip'],
    ['deflate;q=1, gzip;q=0.5', 'deflate'],
  ] as const) {
    const { headers, bytes } = await raw('/v2/models/plus/infer', body, { 'accept-encoding': accepted });
    assert.equal(headers['content-encoding'], coding);
    assert.equal(headers.vary, 'Accept-Encoding');
    assert.equal(Number(headers['content-length']), bytes.length);
    const answer = JSON.parse(unpack[coding](bytes).toString());
    assert.deepEqual(
      answer.outputs[0].data,
      data.map((value) => value + 2),
    );
  }
  const never: [string, string, string][] = [
    ['/v2/models/plus/infer', body, 'br'],
    ['/v2/models/plus/infer', body, 'gzip;q=0'],
    ['/v2/models/plus/infer', body, 'identity'],
    ['/v2/models/plus/infer', small, 'gzip'],
    ['/v2/repository/index', '', 'gzip'],
    ['/v2/models/plus/infer', JSON.stringify({ inputs: [input('INT64', [1], [1], 'n'.repeat(2_000))] }), 'gzip'],
  ];
  for (const [path, given, accepted] of never) {
    const { headers, bytes } = await raw(path, given, { 'accept-encoding': accepted });
    assert.equal(headers['content-encoding'], undefined, `${path} ${accepted}`);
    assert.doesNotThrow(() => JSON.parse(bytes.toString()));
  }
});

test('a timeout is heard beside numbers that JSON does not have', () => {
  const of = (text: string) => timeoutOf({ bytes: Buffer.from(text), headerLength: undefined });
  assert.equal(of('{"inputs":[{"data":[NaN,-Infinity]}],"parameters":{"timeout":5000}}'), 5_000);
  assert.equal(of('{"inputs":[],"parameters":{"timeout":5000}}'), 5_000);
  assert.equal(of('{"inputs":[NaN,,"timeout"]}'), undefined);
});

test('words of strings are left alone, whatever they are', async () => {
  const body =
    '{"inputs":[{"name":"x","datatype":"BYTES","shape":[3],"data":["NaN","a \\"Infinity, NaN","-Infinity\\\\"]}],"extra":NaN}';
  const { status, body: answer, text } = await call(server.it, 'POST', '/v2/models/strings/infer', body);
  assert.equal(status, 200, text);
  assert.deepEqual(answer.outputs[0].data, ['NaN', 'a "Infinity, NaN', '-Infinity\\']);
});
