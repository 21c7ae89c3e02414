import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readOnnxFile } from '../../inference-container/models/onnx-file.ts';
import { type Proof, provesRows } from '../../inference-container/models/row-independence.ts';
import { call, index, infer, metric, serve, turns, turnsASecond, useServer, writeModel } from './fixture.ts';
import * as models from './models.ts';

/** One client's rows never reach another's answer: requests are joined only where that is known to be right. */
const independent = {
  embedding: models.embedding(),
  plus: models.plus(1),
  pair: models.sumAndDifference(),
  text: models.text(),
  tokens: models.tokens(true),
  image: models.meanColour('nchw'),
  top: models.colourOfTop(),
  lookup: models.lookupFromTheEnd(),
  strings: models.identity('BYTES'),
};
const mixing = Object.entries(models.mixing).map(([what, make], at) => ({ what, name: `mixing-${at}`, bytes: make() }));

const server = useServer(async (folder) => {
  await writeModel(folder, 'slow', '1', models.slow());
  for (const { name, bytes } of mixing) await writeModel(folder, name, '1', bytes);
  for (const [name, bytes] of Object.entries(independent)) await writeModel(folder, name, '1', bytes);
  const rows = (word: string) => ({ manifest: { batching: { rows: word } } });
  await writeModel(folder, 'declared', '1', models.moody(), rows('independent'));
  await writeModel(folder, 'dependent', '1', models.plus(1), rows('dependent'));
  await writeModel(folder, 'liar', '1', models.mixing['a mean over the rows']!(), rows('independent'));
});

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maru-rows-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function proofOf(bytes: Uint8Array): Promise<Proof> {
  const path = join(folder, 'model.onnx');
  await writeFile(path, bytes);
  return provesRows(readOnnxFile(path).graph);
}

test('what answers each row by itself is proven', async () => {
  for (const [name, bytes] of Object.entries(independent))
    assert.deepEqual(await proofOf(bytes), { proven: true }, name);
});

test('what mixes rows is not, and the operator is named', async () => {
  for (const { what, bytes } of mixing) {
    const proof = await proofOf(bytes);
    assert.ok(!proof.proven, what);
    assert.match(proof.why, /^\w+ at node "\w+" /, what);
  }
  const softmax = await proofOf(models.mixing['softmax over the rows']!());
  assert.deepEqual(softmax, { proven: false, why: 'Softmax at node "y" mixes rows' });
  for (const bytes of [models.total(), models.placesOfNonZero(), models.doubleOfTwoRows(), models.slow()])
    assert.equal((await proofOf(bytes)).proven, false);
});

test('what is spread over rows in another way than it seems is not proven', async () => {
  const why = async (bytes: Uint8Array) => {
    const proof = await proofOf(bytes);
    return proof.proven ? 'proven' : proof.why;
  };
  assert.match(await why(models.scaledByBlocks()), /^QuantizeLinear at node "y" scales by blocks$/);
  for (const [operator, before] of [
    ['Sum', 7],
    ['Add', 6],
  ] as const) {
    assert.match(await why(models.addedEarly(operator, before)), /spreads its inputs as early versions did$/);
    assert.equal(await why(models.addedEarly(operator, before + 1)), 'proven');
  }
});

test('whatever graph is proven answers its rows together, in any order, as it answers each alone', async () => {
  const step = fc.record({ step: fc.constantFrom(...models.steps), axis: fc.constantFrom(0, 1) });
  let proven = 0;
  let mixed = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      const bytes = models.chain(steps);
      const proof = await proofOf(bytes);
      const alike = await answersAlike(bytes);
      if (proof.proven) assert.ok(alike, JSON.stringify(steps));
      if (proof.proven) proven += 1;
      else if (!alike) mixed += 1;
    }),
    { numRuns: 400 },
  );
  assert.ok(proven > 40 && mixed > 40, `${proven} were proven, ${mixed} mix`);
});

test('every single step that answers each row by itself is proven', async () => {
  const unproven: string[] = [];
  for (const step of models.steps)
    for (const axis of [0, 1]) {
      const bytes = models.chain([{ step, axis }]);
      const { proven } = await proofOf(bytes);
      if (proven !== (await answersAlike(bytes))) unproven.push(`${step} ${axis}`);
    }
  // Reckoning with the number of rows, and a first axis that is one number for all rows, are beyond the proof.
  assert.deepEqual(unproven, []);
});

/** Whether five rows answer together, and turned round, what they answer alone. */
async function answersAlike(bytes: Uint8Array): Promise<boolean> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const rows = [0, 1, 2, 3, 4].map((row) =>
    Float32Array.from({ length: 4 }, (_, at) => Math.sin(row * 7.1 + at * 3.3)),
  );
  const run = async (given: Float32Array[]) => {
    const { y } = await session.run({
      x: new Tensor(
        'float32',
        given.flatMap((row) => [...row]),
        [given.length, 4],
      ),
    });
    return y!.data as Float32Array;
  };
  try {
    const together = await run(rows);
    const turned = await run(rows.toReversed());
    for (const [place, row] of rows.entries()) {
      const alone = await run([row]);
      for (let at = 0; at < 4; at += 1)
        for (const other of [together[place * 4 + at]!, turned[(4 - place) * 4 + at]!])
          if (Math.abs(alone[at]! - other) > 1e-5 * Math.max(1, Math.abs(alone[at]!))) return false;
    }
    return true;
  } catch {
    // It can't take another number of rows.
    return false;
  } finally {
    await session.release();
  }
}

test('the index and the metadata say whether and why', async () => {
  const said = async (name: string) => (await call(server.it, 'GET', `/v2/models/${name}`)).body.parameters.batching;
  assert.equal(await said('embedding'), 'proven');
  assert.equal(await said('declared'), 'declared');
  assert.equal(await said('dependent'), 'off (declared)');
  assert.equal(await said('mixing-1'), 'off (Softmax at node "y" mixes rows)');
  assert.match(await said('liar'), /^off \(y of a row depends on the rows beside it/);
  assert.equal((await index(server.it, 'embedding'))[0]!.batching, 'proven');
});

const x = (shape: number[], data: number[]) => [{ name: 'x', datatype: 'FP32', shape, data }];

for (const connections of [8, 32])
  test(`no row reaches another's answer over ${connections} connections`, async () => {
    const second = await turnsASecond(server.it);
    for (const { what, name } of [...mixing, { what: 'a word that is not true', name: 'liar' }]) {
      const shape = name === `mixing-${mixing.findIndex((one) => /sequence/.test(one.what))}` ? [1, 1, 4] : [1, 4];
      const row = (at: number) => [Math.sin(at), Math.cos(at * 2), at % 5, -at % 3];
      const ask = async (at: number): Promise<number[]> => {
        const { status, body, text } = await infer(server.it, name, x(shape, row(at)));
        assert.equal(status, 200, `${what}: ${text}`);
        return body.outputs[0].data;
      };
      const alone: number[][] = [];
      for (let at = 0; at < connections; at += 1) alone.push(await ask(at));
      // The worker is busy for a moment, so that what is sent next gathers.
      const busy = infer(server.it, 'slow', turns(second / 10));
      const together = await Promise.all(alone.map((_, at) => ask(at)));
      await busy;
      assert.deepEqual(together, alone, what);
    }
  });

/** All requests of the test below; `npm run fuzz` asks 100,000. */
const REQUESTS = Number(process.env.ROW_REQUESTS ?? 4_000);
const ROWS = 50;

test(`none of ${REQUESTS} answers of models that mix is wrong over 1, 2, 8 and 32 connections`, async (context) => {
  const all = [...mixing, { what: 'a word that is not true', name: 'liar' }];
  let wrong = 0;
  for (const { what, name } of all) {
    const shape = /sequence/.test(what) ? [1, 1, 4] : [1, 4];
    const ask = async (row: number): Promise<string> => {
      const data = [Math.sin(row), Math.cos(row * 2), row % 5, -row % 3];
      const { status, body, text } = await infer(server.it, name, x(shape, data));
      assert.equal(status, 200, `${what}: ${text}`);
      return body.outputs[0].data.join();
    };
    const alone: string[] = [];
    for (let row = 0; row < ROWS; row += 1) alone.push(await ask(row));
    for (const connections of [1, 2, 8, 32]) {
      let left = Math.ceil(REQUESTS / all.length / 4);
      const client = async () => {
        while (left > 0) {
          left -= 1;
          const row = left % ROWS;
          if ((await ask(row)) !== alone[row]) wrong += 1;
        }
      };
      await Promise.all(Array.from({ length: connections }, client));
    }
  }
  context.diagnostic(`${wrong} of ${REQUESTS} wrong`);
  assert.equal(wrong, 0);
});

test('what is proven is joined', async () => {
  const second = await turnsASecond(server.it);
  const runs = () => metric(server.it, 'maru_inference_batch_rows_count', { model: 'embedding' });
  const before = await runs();
  const busy = [infer(server.it, 'slow', turns(second / 5)), infer(server.it, 'slow', turns(second / 5))];
  const ids = (at: number) => [{ name: 'ids', datatype: 'INT64', shape: [1, 2], data: [at, at + 1] }];
  const answers = await Promise.all(Array.from({ length: 32 }, (_, at) => infer(server.it, 'embedding', ids(at))));
  await Promise.all(busy);
  assert.ok(answers.every(({ status }) => status === 200));
  assert.ok((await runs()) - before < 32);
});

test('a model that mixes is served row by row also where the task takes rows', async () => {
  const own = await mkdtemp(join(tmpdir(), 'maru-rows-task-'));
  const { manifest, files } = models.textPackage;
  await writeModel(own, 'text', '1', models.text(), {
    manifest: { ...manifest, batching: { rows: 'dependent' } },
    files,
  });
  const running = await serve(own);
  try {
    const { status, body } = await call(running, 'POST', '/v1/models/text:predict', { instances: ['hello', 'bye'] });
    assert.equal(status, 200);
    assert.deepEqual(
      body.predictions.map(({ label }: { label: string }) => label),
      ['greeting', 'farewell'],
    );
    const counted = await metric(running, 'maru_inference_batch_rows_count', { model: 'text' });
    assert.equal(counted, 2);
  } finally {
    await running.stop();
    await rm(own, { recursive: true, force: true });
  }
});
