import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { readOnnxFile } from '../../inference-container/models/onnx-file.ts';
import { type Answer, call, infer, useServer, withBinary, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** A short fuzz run of each parser: no 500 ever, and the server answers afterwards. FUZZ_RUNS asks for a longer one, FUZZ_SEED for another. */
const runs = Number(process.env.FUZZ_RUNS ?? 300);
const seed = Number(process.env.FUZZ_SEED ?? 7);
const server = useServer(async (folder) => {
  await writeModel(folder, 'plus', '1', models.plus(1));
  await writeModel(folder, 'pair', '1', models.sumAndDifference());
  await writeModel(folder, 'strings', '1', models.identity('BYTES', ['batch', 'n']));
  await writeModel(folder, 'cube', '1', models.identity('FP64', ['batch', 'm', 'n']));
  await writeModel(folder, 'text', '1', models.text(), models.textPackage);
});

afterEach(async () => {
  assert.equal((await call(server.it, 'GET', '/v2/health/live')).status, 200);
  const { body } = await infer(server.it, 'plus', [{ name: 'x', datatype: 'INT64', shape: [1], data: [1] }]);
  assert.deepEqual(body.outputs[0].data, [2]);
});

/** Answered or refused in the words of the protocol; nothing unexpected happened. */
function decent({ status, text, headers }: Answer, sent: unknown): void {
  const about = `${status} ${text.slice(0, 200)} for ${typeof sent === 'string' ? sent : JSON.stringify(sent)}`;
  assert.ok(status === 200 || status === 400 || status === 404 || status === 405, about);
  if (headers.get('content-type')?.includes('octet-stream')) return;
  const body = JSON.parse(text) as { error?: unknown };
  if (status !== 200) assert.equal(typeof body.error, 'string', about);
}

const model = fc.constantFrom('plus', 'pair', 'strings', 'cube', 'text');
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 2 ** 31, 2 ** 53, 1e300, 5e-324));
const junk = fc.oneof(fc.jsonValue({ maxDepth: 3 }), number, fc.string({ unit: 'binary' }));
const dimension = fc.oneof(fc.nat({ max: 4 }), fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, '1', null));
const data = fc.oneof(
  fc.array(number, { maxLength: 8 }),
  fc.array(fc.string(), { maxLength: 8 }),
  fc.array(fc.array(fc.oneof(number, fc.string()), { maxLength: 4 }), { maxLength: 4 }),
  junk,
);
const tensor = fc.record(
  {
    name: fc.oneof(fc.constantFrom('x', 'a', 'b', 'text', '__proto__', 'toString'), fc.string()),
    datatype: fc.oneof(fc.constantFrom('INT64', 'FP32', 'FP64', 'BYTES', 'BOOL', 'FP16'), junk),
    shape: fc.oneof(fc.array(dimension, { maxLength: 4 }), junk),
    data,
    parameters: fc.oneof(fc.record({ binary_data_size: fc.oneof(fc.nat({ max: 64 }), junk) }), junk),
  },
  { requiredKeys: ['name', 'datatype', 'shape'] },
);
const inference = fc.record(
  {
    id: fc.oneof(fc.string(), junk),
    inputs: fc.oneof(fc.array(tensor, { maxLength: 3 }), junk),
    outputs: fc.oneof(fc.array(fc.record({ name: fc.constantFrom('y', 'sum', 'label', 'z') }), { maxLength: 3 }), junk),
    parameters: fc.oneof(fc.constant({ binary_data_output: true }), junk),
  },
  { requiredKeys: ['inputs'] },
);

const check = <T>(property: fc.IAsyncProperty<T>, share = 1) =>
  fc.assert(property, { numRuns: Math.ceil(runs * share), seed });

test('V2: anything that looks like an inference request', async () => {
  await check(
    fc.asyncProperty(model, inference, async (name, body) => {
      decent(await call(server.it, 'POST', `/v2/models/${name}/infer`, body), body);
    }),
  );
});

test('V1 and /score: anything that looks like instances', async () => {
  const instances = fc.array(fc.oneof(junk, data, fc.dictionary(fc.constantFrom('x', 'a', 'b', 'b64'), data)), {
    maxLength: 4,
  });
  await check(
    fc.asyncProperty(model, instances, fc.boolean(), async (name, given, scored) => {
      const body = scored ? { model_name: name, data: given } : { instances: given };
      decent(await call(server.it, 'POST', scored ? '/score' : `/v1/models/${name}:predict`, body), body);
    }),
  );
});

test('bytes that are hardly JSON', async () => {
  const good = '{"id":"7","inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[9007199254740993]}]}';
  const path = fc.constantFrom('/v2/models/plus/infer', '/v1/models/plus:predict', '/score', '/v2/repository/index');
  const changes = fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), { maxLength: 4 });
  await check(
    fc.asyncProperty(path, changes, fc.nat({ max: good.length }), async (to, bytes, length) => {
      const body = Buffer.from(good);
      for (const [at, byte] of bytes) body[at] = byte;
      decent(await call(server.it, 'POST', to, body.subarray(0, length)), body.toString('latin1'));
    }),
  );
});

test('V2 with binary tensors: sizes, lengths and bytes that do not agree', async () => {
  const sized = fc.record({
    name: fc.constantFrom('x', 'a', 'b', 'text'),
    datatype: fc.constantFrom('INT64', 'FP32', 'FP64', 'BYTES'),
    shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    parameters: fc.record({ binary_data_size: fc.oneof(fc.nat({ max: 48 }), fc.constantFrom(-1, 2 ** 53, 0.5)) }),
  });
  const request = fc.record({
    inputs: fc.array(sized, { minLength: 1, maxLength: 3 }),
    parameters: fc.constant({ binary_data_output: true }),
  });
  const wrong = fc.option(
    fc.oneof(fc.integer({ min: -2, max: 400 }), fc.string({ unit: 'grapheme-ascii', maxLength: 6 })),
    { freq: 3 },
  );
  await check(
    fc.asyncProperty(model, request, fc.uint8Array({ maxLength: 96 }), wrong, async (name, json, bytes, length) => {
      const [body, headers] = withBinary(json, bytes);
      if (length !== null) headers['inference-header-content-length'] = String(length);
      decent(await call(server.it, 'POST', `/v2/models/${name}/infer`, body, headers), { json, length });
    }),
  );
});

test('paths and methods of any kind', async () => {
  const word = fc.constantFrom(
    'v1',
    'v2',
    'models',
    'plus',
    'versions',
    '1',
    'infer',
    'ready',
    'repository',
    'index',
    'load',
    '..',
    '%2e',
    '%',
    '',
  );
  const path = fc.array(fc.oneof(word, fc.string({ unit: 'grapheme-ascii', maxLength: 5 }).map(encodeURIComponent)), {
    maxLength: 6,
  });
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH');
  await check(
    fc.asyncProperty(method, path, async (how, parts) => {
      const to = `/${parts.join('/')}`;
      if (to.startsWith('//')) return;
      const answer = await call(server.it, how, to, how === 'GET' ? undefined : '{}');
      decent(answer, `${how} ${to}`);
    }),
  );
});

const whole = models.external('weights.bin');
const mutations = fc.record({
  changes: fc.array(fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
  cut: fc.option(fc.nat({ max: whole.length }), { freq: 3 }),
  more: fc.uint8Array({ maxLength: 20 }),
});

function mutate({
  changes,
  cut,
  more,
}: {
  changes: [number, number][];
  cut: number | null;
  more: Uint8Array;
}): Uint8Array {
  const bytes = Uint8Array.from(whole);
  for (const [at, byte] of changes) bytes[at] = byte;
  return Buffer.concat([bytes.subarray(0, cut ?? bytes.length), more]);
}

test('the reader of ONNX files: anything is a model or an error that says why', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'maru-fuzz-'));
  const file = join(folder, 'model.onnx');
  try {
    await check(
      fc.asyncProperty(fc.oneof(mutations.map(mutate), fc.uint8Array({ maxLength: 200 })), async (bytes) => {
        await writeFile(file, bytes);
        try {
          readOnnxFile(file).stub('model.onnx', 8);
        } catch (error) {
          assert.equal((error as Error).constructor, Error, String((error as Error).stack));
          assert.match((error as Error).message, /model/);
        }
      }),
      5,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('models with random bytes are loaded or refused, and nobody else notices', async () => {
  const bytes = models.embedding();
  const head = bytes.length - 400;
  let serial = 0;
  const change = fc.tuple(
    fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: head, max: bytes.length - 1 })),
    fc.nat({ max: 255 }),
  );
  await check(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const mutated = Uint8Array.from(bytes);
      for (const [at, byte] of changes) mutated[at] = byte;
      const name = `fuzzed-${serial++}`;
      await writeModel(server.it.folder, name, '1', mutated);
      const loaded = await call(server.it, 'POST', `/v2/repository/models/${name}/load`);
      decent(loaded, changes);
      if (loaded.status === 200) {
        const ids = [{ name: 'ids', datatype: 'INT64', shape: [1, 1], data: [1] }];
        decent(await infer(server.it, name, ids), changes);
        await call(server.it, 'POST', `/v2/repository/models/${name}/unload`);
      }
      await rm(join(server.it.folder, name), { recursive: true });
    }),
    1 / 6,
  );
});
