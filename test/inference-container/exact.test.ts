import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { answeredMeanwhile, call, refused, turnsASecond, useServer, withBinary, writeModel } from './fixture.ts';
import * as models from './models.ts';

/**
 * Whole numbers beyond what a double holds, and ids at the end of a table. Every request is sent so often that a worker answers
 * it first and the thread that serves HTTP later: both say the same.
 */
const TIMES = 60;
const server = useServer(
  async (folder) => {
    await writeModel(folder, 'signed', '1', models.identity('INT64'));
    await writeModel(folder, 'unsigned', '1', models.identity('UINT64'));
    await writeModel(folder, 'embedding', '1', models.embedding());
    await writeModel(folder, 'int64-ids', '1', models.lookup('INT64'));
    await writeModel(folder, 'int32-ids', '1', models.lookup('INT32'));
    await writeModel(folder, 'slow', '1', models.slow());
  },
  { fronts: 1 },
);

let alone: InferenceSession;
before(async () => {
  alone = await InferenceSession.create(models.embedding(), { intraOpNumThreads: 1 });
});
after(() => alone.release());

interface Case {
  model: string;
  datatype: string;
  /** As they are written in JSON, and as they come back. */
  sent: string[];
  back: string[];
}

const max = 2n ** 63n - 1n;
const cases: Record<string, Case> = {
  'INT64, all beyond 2^53': {
    model: 'signed',
    datatype: 'INT64',
    sent: ['9007199254740993', '-9007199254740993', `${max}`, `${-max - 1n}`, '4611686018427387905'],
    back: ['9007199254740993', '-9007199254740993', `${max}`, `${-max - 1n}`, '4611686018427387905'],
  },
  'INT64, safe ones among others': {
    model: 'signed',
    datatype: 'INT64',
    sent: ['1', '9007199254740993', '0', '-1', '4294967297', '-4294967297', '9007199254740991', '-9007199254740995'],
    back: ['1', '9007199254740993', '0', '-1', '4294967297', '-4294967297', '9007199254740991', '-9007199254740995'],
  },
  'INT64, whole numbers in other spellings': {
    model: 'signed',
    datatype: 'INT64',
    sent: ['1e3', '1.0', '-0', '-0.0', '-2.50e1', '12E+2', '4294967296.0'],
    back: ['1000', '1', '0', '0', '-25', '1200', '4294967296'],
  },
  'INT64, other spellings beside numbers beyond 2^53': {
    model: 'signed',
    datatype: 'INT64',
    sent: ['1e3', `${max}`, '1.0', '-0', '-9007199254740993'],
    back: ['1000', `${max}`, '1', '0', '-9007199254740993'],
  },
  'INT64, the halves of a number each at their ends': {
    model: 'signed',
    datatype: 'INT64',
    sent: ['2147483648', '-2147483648', '-2147483649', '4294967295', '-4294967295', '-4294967296', '9007199254740990'],
    back: ['2147483648', '-2147483648', '-2147483649', '4294967295', '-4294967295', '-4294967296', '9007199254740990'],
  },
  'UINT64 up to 2^64 − 1': {
    model: 'unsigned',
    datatype: 'UINT64',
    sent: [`${2n ** 64n - 1n}`, '0', `${2n ** 63n}`, '9007199254740993', '7', '-0', '1e3'],
    back: [`${2n ** 64n - 1n}`, '0', `${2n ** 63n}`, '9007199254740993', '7', '0', '1000'],
  },
};

const v2Body = ({ datatype, sent }: Case) =>
  `{"inputs":[{"name":"x","shape":[${sent.length}],"datatype":"${datatype}","data":[${sent}]}]}`;
const askV2 = (one: Case) => call(server.it, 'POST', `/v2/models/${one.model}/infer`, v2Body(one));
const askV1 = ({ model, sent }: Case) =>
  call(server.it, 'POST', `/v1/models/${model}:predict`, `{"instances":[${sent}]}`);
/** What stands between the brackets of the answer, before JSON.parse rounds it. */
const numbers = (text: string, name: string) => new RegExp(`"${name}":\\[([^\\]]*)\\]`).exec(text)?.[1];

for (const [name, one] of Object.entries(cases))
  test(`${name}: exact by V2 and V1, ${TIMES} times`, async () => {
    for (let time = 0; time < TIMES; time += 1) {
      const [v2, v1] = await Promise.all([askV2(one), askV1(one)]);
      assert.equal(numbers(v2.text, 'data'), one.back.join(), v2.text);
      assert.equal(numbers(v1.text, 'predictions'), one.back.join(), v1.text);
    }
  });

const outside: [model: string, datatype: string, sent: string[], at: number][] = [
  ['signed', 'INT64', ['1', `${max + 1n}`], 1],
  ['signed', 'INT64', ['9007199254740993', '2', `${-max - 2n}`], 2],
  ['signed', 'INT64', [`${2n ** 64n}`], 0],
  ['signed', 'INT64', ['1', '1.5'], 1],
  ['signed', 'INT64', ['1', '1e300'], 1],
  ['unsigned', 'UINT64', ['1', '2', `${2n ** 64n}`], 2],
  ['unsigned', 'UINT64', [`${2n ** 64n - 1n}`, '-1'], 1],
  ['unsigned', 'UINT64', [`${2n ** 64n + 1n}`], 0],
];
for (const [model, datatype, sent, at] of outside)
  test(`[${sent}] is not ${datatype}: 400, and element ${at} is named`, async () => {
    for (let time = 0; time < TIMES; time += 1) {
      const says = new RegExp(`x: element ${at} is not ${datatype}`);
      const [v2, v1] = await Promise.all([
        askV2({ model, datatype, sent, back: [] }),
        askV1({ model, datatype, sent, back: [] }),
      ]);
      refused(v2, 400, says);
      refused(v1, 400, says);
    }
  });

/** One row of ids by V2 as JSON, as bytes, and by V1. */
async function lookUp(model: string, datatype: string, row: bigint[], shape: number[]) {
  const tensor = { name: 'ids', datatype, shape };
  const array = datatype === 'INT64' ? BigInt64Array.from(row) : Int32Array.from(row, Number);
  const inputs = [{ ...tensor, parameters: { binary_data_size: array.byteLength } }];
  const [body, headers] = withBinary({ inputs }, new Uint8Array(array.buffer));
  return await Promise.all([
    call(
      server.it,
      'POST',
      `/v2/models/${model}/infer`,
      `{"inputs":[${JSON.stringify(tensor).slice(0, -1)},"data":[${row}]}]}`,
    ),
    call(server.it, 'POST', `/v2/models/${model}/infer`, body, headers),
    call(server.it, 'POST', `/v1/models/${model}:predict`, `{"instances":[${shape.length === 2 ? `[${row}]` : row}]}`),
  ]);
}

test(`ids at the ends of a table are looked up, ${TIMES} times`, async () => {
  const last = BigInt(models.ROWS - 1);
  const feed = new Tensor('int64', BigInt64Array.from([0n, last]), [1, 2]);
  const expected = [...((await alone.run({ ids: feed })).probabilities!.data as Float32Array)];
  for (let time = 0; time < TIMES; time += 1) {
    const [json, binary, v1] = await lookUp('embedding', 'INT64', [0n, last], [1, 2]);
    const answers = [json.body.outputs[0].data, binary.body.outputs[0].data, v1.body.predictions[0]] as number[][];
    for (const answer of answers)
      for (const [at, value] of answer.entries()) assert.ok(Math.abs(value - expected[at]!) < 1e-6, `${answer}`);
  }
  for (const [model, datatype] of [
    ['int64-ids', 'INT64'],
    ['int32-ids', 'INT32'],
  ] as const)
    for (let time = 0; time < TIMES; time += 1)
      for (const answer of (await lookUp(model, datatype, [0n, 4n], [2])).slice(0, 2))
        assert.deepEqual(answer.body.outputs[0].data, [0, 1, 8, 9]);
});

const rows = BigInt(models.ROWS);
const refuseId = async (id: bigint) => {
  for (const answer of await lookUp('embedding', 'INT64', [1n, id], [1, 2]))
    refused(answer, 400, new RegExp(`ids: ${id} is not an id from 0 to ${rows - 1n}`));
};
for (const id of [-1n, rows, 2n ** 32n + 1n])
  test(`the id ${id} is refused and not taken for another, ${TIMES} times`, async () => {
    for (let time = 0; time < TIMES; time += 1) await refuseId(id);
  });

test('ids whose lower or upper half alone would be one are refused', async () => {
  const ids = [2n ** 32n, 1n - 2n ** 32n, -(2n ** 32n), 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
  for (const id of ids) await refuseId(id);
});

test('a 32-bit id can be neither too large for the table nor for 32 bits', async () => {
  for (let time = 0; time < TIMES; time += 1) {
    for (const id of [-1n, 5n, -(2n ** 31n)])
      for (const answer of await lookUp('int32-ids', 'INT32', [id], [1])) refused(answer, 400, /not an id from 0 to 4/);
    for (const id of ['4294967297', '2147483648', '9007199254740993'])
      refused(
        await call(
          server.it,
          'POST',
          '/v2/models/int32-ids/infer',
          `{"inputs":[{"name":"ids","datatype":"INT32","shape":[1],"data":[${id}]}]}`,
        ),
        400,
        /element 0 is not INT32/,
      );
  }
});

test('after so many, they need no worker any more', async () => {
  for (const one of [Object.values(cases)[0]!, Object.values(cases).at(-1)!])
    assert.ok(
      await answeredMeanwhile(server.it, (await turnsASecond(server.it)) / 2, async () =>
        assert.equal(numbers((await askV2(one)).text, 'data'), one.back.join()),
      ),
    );
});
