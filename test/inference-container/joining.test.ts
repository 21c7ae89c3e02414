import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, infer, metric, occupy, refused, turnsASecond, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** Requests that wait together and differ in every way that they may: each gets its own answer, from a worker or without one. */
const server = useServer(async (folder) => {
  await writeModel(folder, 'pair', '1', models.sumAndDifferenceOfAny());
  await writeModel(folder, 'slow', '1', models.slow());
});

type Name = 'sum' | 'difference';
interface Ask {
  rows: number;
  width: number;
  /** The inputs' order. */
  turned: boolean;
  outputs: Name[];
  base: number;
}

const wanted: Name[][] = [[], ['sum'], ['difference'], ['sum', 'difference'], ['difference', 'sum']];
/** Every combination of shapes, orders and outputs, a few times, in an order that mixes them. */
const asks = Array.from({ length: 180 }, (_, at): Ask => {
  const place = (at * 77) % 180;
  return {
    rows: 1 + (place % 3),
    width: 1 + (Math.floor(place / 3) % 3),
    turned: place % 2 === 1,
    outputs: wanted[Math.floor(place / 9) % wanted.length]!,
    base: at * 10,
  };
});

function request({ rows, width, turned, outputs, base }: Ask): [inputs: object[], more: object] {
  const tensor = (name: string, from: number) => ({
    name,
    datatype: 'FP32',
    shape: [rows, width],
    data: Array.from({ length: rows * width }, (_, at) => from + at),
  });
  const inputs = [tensor('a', base), tensor('b', 1)];
  return [
    turned ? inputs.reverse() : inputs,
    { id: `ask-${base}`, ...(outputs.length > 0 ? { outputs: outputs.map((name) => ({ name })) } : {}) },
  ];
}

function check({ status, body, text }: Answer, { rows, width, outputs, base }: Ask): void {
  assert.equal(status, 200, text);
  assert.equal(body.id, `ask-${base}`);
  const places = Array.from({ length: rows * width }, (_, at) => at);
  const expected = { sum: places.map((at) => base + 1 + 2 * at), difference: places.map(() => base - 1) };
  const names = outputs.length > 0 ? outputs : (['sum', 'difference'] as const);
  assert.deepEqual(
    body.outputs,
    names.map((name) => ({ name, datatype: 'FP32', shape: [rows, width], data: expected[name] })),
  );
}

const a = { name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
const b = { name: 'b', datatype: 'FP32', shape: [1, 2], data: [3, 4] };
/** What is wrong with them is theirs alone. */
const malformed: [inputs: unknown, more: object, says: RegExp][] = [
  [[a], {}, /input b is missing/],
  [[a, b, { ...a, name: 'c' }], {}, /no input c/],
  [[a, a], {}, /twice/],
  [[a, { ...b, data: [3, 'four'] }], {}, /b: element 1/],
  [[a, { ...b, shape: [1, 3] }], {}, /b: shape/],
  [[{ ...a, datatype: 'FP64' }, b], {}, /a: expected datatype FP32/],
  [[a, b], { outputs: [{ name: 'product' }] }, /no output product/],
  [[a, b], { parameters: { timeout: -1 } }, /timeout/],
  // Each is well-formed, and only the model finds that they do not go together.
  [[a, { ...b, shape: [1, 5], data: [1, 2, 3, 4, 5] }], {}, /./],
  [
    [
      { ...a, shape: [2, 3], data: [1, 2, 3, 4, 5, 6] },
      { ...b, shape: [3, 3], data: Array(9).fill(1) },
    ],
    {},
    /./,
  ],
];

/** Sends everything at once, the malformed among the good, and checks each answer. */
async function all(): Promise<void> {
  const every = Math.floor(asks.length / malformed.length);
  await Promise.all(
    asks.flatMap((ask, at) => {
      const good = infer(server.it, 'pair', ...request(ask)).then((answer) => check(answer, ask));
      if (at % every !== 0) return [good];
      const [inputs, more, says] = malformed[(at / every) % malformed.length]!;
      return [good, infer(server.it, 'pair', inputs, more).then((answer) => refused(answer, 400, says))];
    }),
  );
}

const batches = () => metric(server.it, 'maru_inference_batch_rows_count', { model: 'pair' });

test('together in a worker: inputs in any order, other outputs, other shapes, malformed ones among them', async () => {
  const { ended } = await occupy(server.it, await turnsASecond(server.it));
  await all();
  await ended;
  const ran = await batches();
  assert.ok(ran < asks.length - 10, `${ran} runs of ${asks.length} requests: they were joined`);
});

test('and again and again, when the model needs no worker any more', async () => {
  for (let round = 0; round < 6; round += 1) await all();
  // A worker that is busy shows that it is not needed.
  const { ended } = await occupy(server.it, (await turnsASecond(server.it)) / 2);
  await all();
  await ended;
});

test('one after the other they get the same answers', async () => {
  for (const ask of asks.slice(0, 60)) check(await infer(server.it, 'pair', ...request(ask)), ask);
});
