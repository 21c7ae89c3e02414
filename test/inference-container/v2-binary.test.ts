import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Answer, call, infer, readBinary, refused, useServer, withBinary, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** The binary tensor data extension of V2. */
const server = useServer(
  async (folder) => {
    for (const type of models.allDatatypes) await writeModel(folder, `of-${type}`, '1', models.identity(type));
    await writeModel(folder, 'pair', '1', models.sumAndDifference());
    await writeModel(folder, 'logarithm', '1', models.logarithm());
    await writeModel(folder, 'grid', '1', models.identity('FP32', ['batch', 2]));
    await writeModel(folder, 'square', '1', models.identity('FP32', ['batch', 'n']));
    await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  },
  { fronts: 1 },
);

const bytesOf = (array: NodeJS.TypedArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const floats = (...values: number[]) => bytesOf(Float32Array.from(values));
const strings = (...values: (string | Uint8Array)[]) =>
  Buffer.concat(
    values.flatMap((value) => {
      const bytes = Buffer.from(value as string);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );

const input = (datatype: string, shape: number[], size: unknown, name = 'x') => ({
  name,
  datatype,
  shape,
  parameters: { binary_data_size: size },
});

async function post(model: string, json: object | string, parts: Uint8Array[], more: Record<string, string> = {}) {
  const [body, headers] = withBinary(json, ...parts);
  return await call(server.it, 'POST', `/v2/models/${model}/infer`, body, { ...headers, ...more });
}

/** A well-formed binary answer: its headers say what it is. */
function read(answer: Answer) {
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  assert.equal(answer.headers.get('content-type'), 'application/octet-stream');
  assert.match(answer.headers.get('inference-header-content-length') ?? '', /^\d+$/);
  assert.equal(Number(answer.headers.get('content-length')), answer.bytes.length);
  return readBinary(answer);
}

const samples: Record<models.Datatype, [bytes: Uint8Array, count: number]> = {
  BOOL: [Uint8Array.of(1, 0, 1), 3],
  UINT8: [Uint8Array.of(0, 255), 2],
  UINT16: [bytesOf(Uint16Array.of(0, 65_535)), 2],
  UINT32: [bytesOf(Uint32Array.of(0, 4_294_967_295)), 2],
  UINT64: [bytesOf(BigUint64Array.of(0n, 9_007_199_254_740_993n, 2n ** 64n - 1n)), 3],
  INT8: [bytesOf(Int8Array.of(-128, 127)), 2],
  INT16: [bytesOf(Int16Array.of(-32_768, 32_767)), 2],
  INT32: [bytesOf(Int32Array.of(-2_147_483_648, 2_147_483_647)), 2],
  INT64: [bytesOf(BigInt64Array.of(-(2n ** 63n), 9_007_199_254_740_993n, 2n ** 63n - 1n)), 3],
  // −65504, 2⁻²⁴, ∞, NaN, −0
  FP16: [bytesOf(Uint16Array.of(0xfbff, 0x0001, 0x7c00, 0x7e00, 0x8000)), 5],
  FP32: [floats(0.1, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-45), 6],
  FP64: [bytesOf(Float64Array.of(0.1, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324)), 6],
  BYTES: [strings('', '한국어', 'a'.repeat(300)), 3],
};

for (const [type, [bytes, count]] of Object.entries(samples))
  test(`${type}: bytes come back as they went in`, async () => {
    const json = {
      inputs: [input(type, [count], bytes.length)],
      outputs: [{ name: 'y', parameters: { binary_data: true } }],
    };
    const { json: head, parts } = read(await post(`of-${type}`, json, [bytes]));
    assert.deepEqual(head.outputs, [
      { name: 'y', datatype: type, shape: [count], parameters: { binary_data_size: bytes.length } },
    ]);
    assert.deepEqual(parts.y, Buffer.from(bytes));
  });

test('tensors are read wherever they begin, aligned or not', async () => {
  const [bytes, count] = samples.INT64;
  for (let length = 0; length < 8; length += 1) {
    const json = {
      id: 'x'.repeat(length),
      parameters: { binary_data_output: true },
      inputs: [input('INT64', [count], 24)],
    };
    const { json: head, parts } = read(await post('of-INT64', json, [bytes]));
    assert.deepEqual(parts.y, Buffer.from(bytes));
    assert.equal(head.id, 'x'.repeat(length));
  }
});

test('binary in, JSON out: without a wish for binary the answer is JSON', async () => {
  const answer = await post('of-FP32', { inputs: [input('FP32', [2], 8)] }, [floats(1.5, 2.5)]);
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  assert.equal(answer.headers.get('inference-header-content-length'), null);
  assert.deepEqual(answer.body.outputs, [{ name: 'y', datatype: 'FP32', shape: [2], data: [1.5, 2.5] }]);
});

test('JSON in, binary out: float16, NaN and infinities have their way', async () => {
  const x = (datatype: string, data: number[]) => [{ name: 'x', datatype, shape: [data.length], data }];
  const half = read(
    await infer(server.it, 'of-FP16', x('FP16', [1, -2]), { parameters: { binary_data_output: true } }),
  );
  assert.deepEqual(half.parts.y, Buffer.from(bytesOf(Uint16Array.of(0x3c00, 0xc000))));
  const log = read(
    await infer(server.it, 'logarithm', x('FP32', [0, -1, 1]), { parameters: { binary_data_output: true } }),
  );
  const values = [0, 4, 8].map((at) => log.parts.y!.readFloatLE(at));
  assert.deepEqual(values, [Number.NEGATIVE_INFINITY, Number.NaN, 0]);
});

test('some inputs as JSON and some as binary, some outputs as JSON and some as binary', async () => {
  const json = {
    inputs: [{ name: 'a', datatype: 'FP32', shape: [1, 2], data: [10, 20] }, input('FP32', [1, 2], 8, 'b')],
    outputs: [{ name: 'sum' }, { name: 'difference', parameters: { binary_data: true } }],
  };
  const { json: head, parts } = read(await post('pair', json, [floats(1, 2)]));
  assert.deepEqual(head.outputs[0], { name: 'sum', datatype: 'FP32', shape: [1, 2], data: [11, 22] });
  assert.deepEqual(parts, { difference: Buffer.from(floats(9, 18)) });
});

test('binary_data of an output goes before binary_data_output of the request', async () => {
  const json = {
    parameters: { binary_data_output: true },
    inputs: [input('FP32', [1, 2], 8, 'a'), input('FP32', [1, 2], 8, 'b')],
    outputs: [{ name: 'difference' }, { name: 'sum', parameters: { binary_data: false } }],
  };
  const { json: head, parts } = read(await post('pair', json, [floats(10, 20), floats(1, 2)]));
  assert.deepEqual(head.outputs[1]!.data, [11, 22]);
  assert.deepEqual(parts, { difference: Buffer.from(floats(9, 18)) });
});

test('parts are read in the order of the inputs and written in the order of the outputs', async () => {
  const json = {
    parameters: { binary_data_output: true },
    inputs: [input('FP32', [1, 2], 8, 'b'), input('FP32', [1, 2], 8, 'a')],
    outputs: [{ name: 'difference' }, { name: 'sum' }],
  };
  const answer = await post('pair', json, [floats(1, 2), floats(10, 20)]);
  const { json: head } = read(answer);
  assert.deepEqual(
    head.outputs.map(({ name }) => name),
    ['difference', 'sum'],
  );
  assert.deepEqual(answer.bytes.subarray(-16), Buffer.concat([floats(9, 18), floats(11, 22)]));
});

test('tensors of no elements have no bytes', async () => {
  const json = { parameters: { binary_data_output: true }, inputs: [input('FP32', [0], 0)] };
  const { json: head, parts } = read(await post('of-FP32', json, []));
  assert.deepEqual(head.outputs[0]!.shape, [0]);
  assert.equal(parts.y!.length, 0);
  const none = { parameters: { binary_data_output: true }, inputs: [input('BYTES', [0], 0)] };
  assert.equal(read(await post('of-BYTES', none, [])).parts.y!.length, 0);
});

test('a task takes binary strings and gives binary labels', async () => {
  const part = strings('hello', 'bye');
  const json = {
    inputs: [input('BYTES', [2], part.length, 'text')],
    outputs: [{ name: 'label', parameters: { binary_data: true } }],
  };
  const { parts } = read(await post('text', json, [part]));
  assert.deepEqual(parts.label, strings('greeting', 'farewell'));
});

test('a raw request is one tensor and no JSON, its shape known from its size', async () => {
  const raw = async (model: string, body: Uint8Array) =>
    await call(server.it, 'POST', `/v2/models/${model}/infer`, body, {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': '0',
    });
  const { json, parts } = read(await raw('grid', floats(1, 2, 3, 4)));
  assert.deepEqual(json.outputs[0]!.shape, [2, 2]);
  assert.deepEqual(parts.y, Buffer.from(floats(1, 2, 3, 4)));
  refused(await raw('grid', floats(1, 2, 3)), 400);
  refused(await raw('grid', Uint8Array.of(1, 2, 3)), 400);
  refused(await raw('pair', floats(1, 2)), 400);
  refused(await raw('square', floats(1, 2)), 400);
  // The whole body is one string.
  assert.deepEqual(read(await raw('of-BYTES', Buffer.from('hello'))).parts.y, strings('hello'));
});

test('a header length that lies is refused', async () => {
  const json = JSON.stringify({ inputs: [input('FP32', [2], 8)] });
  const lying = [
    '-1',
    '1.5',
    'x',
    '0x10',
    '1e2',
    '99999999999999999999',
    String(json.length - 1),
    String(json.length + 1),
  ];
  lying.push(String(json.length + 8), String(json.length + 9), '1', `${json.length}, ${json.length}`);
  for (const length of lying)
    refused(await post('of-FP32', json, [floats(1, 2)], { 'inference-header-content-length': length }), 400);
});

test('binary tensors without the header are refused', async () => {
  const body = Buffer.concat([Buffer.from(JSON.stringify({ inputs: [input('FP32', [2], 8)] })), floats(1, 2)]);
  refused(await call(server.it, 'POST', '/v2/models/of-FP32/infer', body), 400);
  refused(await call(server.it, 'POST', '/v2/models/of-FP32/infer', { inputs: [input('FP32', [2], 8)] }), 400);
});

test('sizes that do not fit the tensor or the body are refused', async () => {
  const cases: [unknown, number[], number][] = [
    [8, [3], 8],
    [8, [1], 8],
    [12, [3], 8],
    [8, [2], 4],
    [4, [1], 8],
    [7, [2], 8],
    [0, [2], 8],
    [-8, [2], 8],
    [8.5, [2], 9],
    ['8', [2], 8],
    [true, [1], 4],
    [2 ** 53, [2], 8],
    [1e300, [2], 8],
  ];
  for (const [size, shape, sent] of cases)
    refused(await post('of-FP32', { inputs: [input('FP32', shape, size)] }, [new Uint8Array(sent)]), 400);
  const huge =
    '{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":18446744073709551615}}]}';
  refused(await post('of-FP32', huge, [floats(1, 2)]), 400);
  const both = { ...input('FP32', [2], 8), data: [1, 2] };
  refused(await post('of-FP32', { inputs: [both] }, [floats(1, 2)]), 400);
});

test('strings whose lengths lie are refused', async () => {
  const one = strings('hello');
  const cases: [number, Uint8Array][] = [
    [2, one],
    [0, one],
    [1, strings('hello', 'hello')],
    [1, one.subarray(0, 8)],
    [1, one.subarray(0, 3)],
    [1, Buffer.concat([one, Uint8Array.of(0)])],
    [1, Buffer.concat([Uint8Array.of(255, 255, 255, 255), Buffer.from('hello')])],
    [1, Buffer.concat([Uint8Array.of(6, 0, 0, 0), Buffer.from('hello')])],
    [2 ** 30, one],
  ];
  for (const [count, part] of cases)
    refused(await post('of-BYTES', { inputs: [input('BYTES', [count], part.length)] }, [part]), 400);
});

test('a BOOL other than 0 and 1 is refused, and a string that is not UTF-8 where the model takes text', async () => {
  refused(await post('of-BOOL', { inputs: [input('BOOL', [2], 2)] }, [Uint8Array.of(1, 2)]), 400, /x/);
  for (const bytes of [Uint8Array.of(0xff), Uint8Array.of(0xed, 0xa0, 0x80), Uint8Array.of(0xc3)]) {
    const part = strings(bytes);
    refused(await post('of-BYTES', { inputs: [input('BYTES', [1], part.length)] }, [part]), 400, /UTF-8/);
    refused(await post('text', { inputs: [input('BYTES', [1], part.length, 'text')] }, [part]), 400, /UTF-8/);
  }
});

test('a body that ends before its length harms nobody', async () => {
  const [body, headers] = withBinary({ inputs: [input('FP32', [2], 8)] }, floats(1, 2));
  for (const cut of [0, 10, body.length - 4])
    await new Promise<void>((done) => {
      const socket = connect(server.it.port, '127.0.0.1');
      const length = headers['inference-header-content-length'];
      const head = `host: x\r\ncontent-length: ${body.length}\r\ninference-header-content-length: ${length}\r\n\r\n`;
      socket.on('error', () => {}).on('close', () => done());
      socket.write(`POST /v2/models/of-FP32/infer HTTP/1.1\r\n${head}`);
      socket.end(body.subarray(0, cut));
      socket.resume();
    });
  const { parts } = read(
    await post('of-FP32', { parameters: { binary_data_output: true }, inputs: [input('FP32', [2], 8)] }, [
      floats(1, 2),
    ]),
  );
  assert.deepEqual(parts.y, Buffer.from(floats(1, 2)));
});
