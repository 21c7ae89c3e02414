import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { Inline } from '../../inference-container/models/inline.ts';
import { manifest } from '../../inference-container/models/manifest.ts';
import {
  answeredMeanwhile,
  call,
  eventually,
  familiar,
  infer,
  metric,
  occupy,
  refused,
  serve,
  turns,
  turnsASecond,
  useServer,
  withBinary,
  writeModel,
} from './fixture.ts';
import * as models from './models.ts';

/**
 * Quick models answer without a worker once they have shown that they are quick. Seen from outside: they answer while the only
 * worker is busy.
 */
/** Turns of the slow model in a second. */
let second = 0;
const server = useServer(
  async (folder) => {
    for (const name of ['plus', 'fresh', 'growing', 'leaving', 'other'])
      await writeModel(folder, name, '1', models.plus(1));
    await writeModel(folder, 'plus', '2', models.plus(2));
    await writeModel(folder, 'slow', '1', models.slow());
    await writeModel(folder, 'stretching', '1', models.stretching());
    for (const name of ['embedding', 'embedding-too']) await writeModel(folder, name, '1', models.embedding());
    await writeModel(folder, 'text', '1', models.text(), models.textPackage);
  },
  {
    started: async (it) => {
      second = await turnsASecond(it);
    },
  },
);

const x = (...data: number[]) => [{ name: 'x', datatype: 'INT64', shape: [data.length], data }];

const running = (model: string) => async () =>
  (await metric(server.it, 'maru_inference_running_requests', { model })) === 1;

/** Rounds of health and metrics that are answered before `answer`. */
async function roundsBefore(answer: Promise<unknown>): Promise<number> {
  let running = true;
  const ended = answer.finally(() => (running = false));
  await sleep(50);
  let rounds = 0;
  while (running && rounds < 20) {
    for (const path of ['/v2/health/live', '/v2/health/ready', '/metrics']) await call(server.it, 'GET', path);
    rounds += 1;
  }
  await ended;
  return rounds;
}

test('a quick model that has been asked often answers while the only worker is busy; one that has not does not', async () => {
  await familiar(server.it, second, () => infer(server.it, 'plus', x(40)));
  for (let value = 0; value < 20; value += 1)
    assert.deepEqual((await infer(server.it, 'plus', x(value))).body.outputs[0].data, [value + 2]);
  const order: string[] = [];
  const { ended } = await occupy(server.it, second / 2);
  const slow = ended.then(() => order.push('slow'));
  assert.deepEqual((await infer(server.it, 'fresh', x(40))).body.outputs[0].data, [41]);
  order.push('fresh');
  await slow;
  assert.deepEqual(order, ['slow', 'fresh']);
});

test('texts, too', async () => {
  const ask = (text: string) => call(server.it, 'POST', '/v1/models/text:predict', { instances: [text] });
  await familiar(server.it, second, () => ask('hello'));
  for (const [text, label] of [
    ['hello', 'greeting'],
    ['order', 'order'],
    ['bye', 'farewell'],
    ['what', 'none'],
  ])
    assert.equal((await ask(text!)).body.predictions[0].label, label);
});

test('a tokenizer that takes long to read is not read where it would hold up everybody', async () => {
  const { manifest, files } = models.textPackage;
  const tokenizer = JSON.parse(files['tokenizer.json']) as { model: { vocab: Record<string, number> } };
  for (let word = 0; word < 150_000; word += 1) tokenizer.model.vocab[`word${word}`] = 3;
  await writeModel(server.it.folder, 'wordy', '1', models.text(), {
    manifest,
    files: { 'tokenizer.json': JSON.stringify(tokenizer) },
  });
  assert.equal((await call(server.it, 'POST', '/v2/repository/models/wordy/load')).status, 200);
  const ask = () => call(server.it, 'POST', '/v1/models/wordy:predict', { instances: ['word7'] });
  for (let time = 0; time < 50; time += 1) assert.equal((await ask()).status, 200);
  await sleep(300);
  const order: string[] = [];
  const { ended } = await occupy(server.it, second / 2);
  const slow = ended.then(() => order.push('slow'));
  assert.equal((await ask()).body.predictions[0].label, 'farewell');
  order.push('wordy');
  await slow;
  assert.deepEqual(order, ['slow', 'wordy']);
});

test('pictures never are, however quick they were: a few bytes may be many pixels', async () => {
  const picture = { kind: 'image', width: 8, height: 8 };
  const manifest = { task: 'image-classification', labels: ['red', 'green', 'blue'], preprocessing: picture };
  await writeModel(server.it.folder, 'colour', '1', models.meanColour('nchw'), { manifest });
  assert.equal((await call(server.it, 'POST', '/v2/repository/models/colour/load')).status, 200);
  const b64 = (
    await sharp({ create: { width: 8, height: 8, channels: 3, background: '#f00' } })
      .png()
      .toBuffer()
  ).toString('base64');
  const ask = () => call(server.it, 'POST', '/v1/models/colour:predict', { instances: [{ b64 }] });
  for (let time = 0; time < 50; time += 1) assert.equal((await ask()).body.predictions[0].label, 'red');
  await sleep(300);
  const order: string[] = [];
  const { ended } = await occupy(server.it, second / 2);
  const slow = ended.then(() => order.push('slow'));
  await ask();
  order.push('picture');
  await slow;
  assert.deepEqual(order, ['slow', 'picture']);
});

test('a model with a loop holds up nobody, however often it was quick', async () => {
  for (let time = 0; time < 50; time += 1) assert.equal((await infer(server.it, 'slow', turns(1))).status, 200);
  await sleep(100);
  const slow = infer(server.it, 'slow', turns(second));
  assert.ok((await roundsBefore(slow)) >= 3);
  assert.equal((await slow).status, 200);
});

test('nor does a model without a loop, whose work grows with the values that it is given', async () => {
  const stretch = (rows: number) => infer(server.it, 'stretching', x(rows));
  await stretch(1_000);
  const started = performance.now();
  await stretch(5_000);
  const long = Math.round(5_000_000 / (performance.now() - started));
  for (let time = 0; time < 50; time += 1) assert.equal((await stretch(1 + time)).status, 200);
  await sleep(100);
  const slow = stretch(long);
  assert.ok((await roundsBefore(slow)) >= 3);
  assert.deepEqual((await slow).body.outputs[0].data, [long]);
});

test('after a slow moment what is quick may grow again, from a single request on', async () => {
  const folder = join(server.it.folder, 'plus', '1');
  const inline = new Inline();
  inline.add(
    'plus/1',
    { folder, manifest: manifest.parse({ name: 'plus', version: '1' }), stamp: null, sums: null, copy: null },
    false,
  );
  const bytes = 251;
  for (let job = 0; job < 20; job += 1) inline.learn('plus/1', bytes, 0.1, true);
  await eventually(async () => inline.limit('plus/1') >= bytes);
  inline.learn('plus/1', bytes, 50, true);
  assert.ok(inline.limit('plus/1') < bytes);
  for (let together = 1; together < 64; together = Math.floor(inline.limit('plus/1') / bytes)) {
    inline.learn('plus/1', together * bytes, 0.1, true);
    assert.ok(inline.limit('plus/1') >= (together + 1) * bytes, `${together} never become more`);
  }
  await inline.close();
});

test('a job that grows goes to the worker, and the small ones of its model do not', async () => {
  await familiar(server.it, second, () => infer(server.it, 'growing', x(1)));
  const order: string[] = [];
  const { ended } = await occupy(server.it, second / 2);
  const slow = ended.then(() => order.push('slow'));
  // Of a size for the shared worker: a larger one has a worker of its own.
  const data = Array.from({ length: 120_000 }, (_, at) => at);
  const inputs = [{ name: 'x', datatype: 'INT64', shape: [data.length], data }];
  const grown = infer(server.it, 'growing', inputs).then((answer) => {
    order.push('grown');
    return answer;
  });
  const { body } = await grown;
  await slow;
  assert.equal(body.outputs[0].data.length, data.length);
  assert.ok(body.outputs[0].data.every((value: number, at: number) => value === at + 1));
  assert.deepEqual(order, ['slow', 'grown']);
  assert.ok(await answeredMeanwhile(server.it, second / 4, () => infer(server.it, 'growing', x(1))));
});

for (const what of ['was refused', 'came too late for the worker that had it at hand'])
  test(`a large body that ${what} does not show that large bodies are quick`, async () => {
    const late = what !== 'was refused';
    const model = late ? 'embedding-too' : 'embedding';
    // Larger ones have workers of their own.
    const rows = 120_000;
    const bytes = new Uint8Array(rows * 8);
    const input = { name: 'ids', datatype: 'INT64', shape: [rows, 1], parameters: { binary_data_size: bytes.length } };
    const good = { inputs: [input], parameters: { binary_data_output: true } };
    const send = (json: object) =>
      call(server.it, 'POST', `/v2/models/${model}/infer`, ...withBinary(json, bytes)).then(({ status }) => status);
    await familiar(server.it, second, () =>
      infer(server.it, model, [{ name: 'ids', datatype: 'INT64', shape: [1, 1], data: [1] }]),
    );
    const statuses: number[] = [];
    for (let time = 0; time < 4; time += 1) {
      let over = !late;
      const slow = late ? infer(server.it, 'slow', turns(second / 5)).finally(() => (over = true)) : null;
      await eventually(async () => over || (await running('slow')()));
      statuses.push(await send(late ? { ...good, parameters: { timeout: 50_000 } } : { inputs: [] }));
      await slow;
    }
    assert.ok(statuses.includes(late ? 503 : 400), `${statuses}`);
    const order: string[] = [];
    const { ended } = await occupy(server.it, second / 2);
    const slow = ended.then(() => order.push('slow'));
    assert.equal(await send(good), 200);
    order.push('large');
    await slow;
    assert.deepEqual(order, ['slow', 'large']);
  });

test('loaded and unloaded under load: right answers, 404 while it is away, 503 at most', async () => {
  let ended = false;
  let answered = 0;
  const statuses = new Set<number>();
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let value = client; !ended; value += 8) {
      const answer = await infer(server.it, 'leaving', x(value));
      statuses.add(answer.status);
      if (answer.status === 200) {
        assert.deepEqual(answer.body.outputs[0].data, [value + 1]);
        answered += 1;
      } else refused(answer, answer.status === 503 ? 503 : 404);
    }
  });
  for (let round = 0; round < 10; round += 1) {
    // Long enough for it to need no worker any more, or nearly: every moment of that is met.
    const enough = answered + round * 15;
    await eventually(async () => answered >= enough);
    for (const action of ['unload', 'load']) {
      const { status, text } = await call(server.it, 'POST', `/v2/repository/models/leaving/${action}`);
      assert.equal(status, 200, text);
    }
  }
  ended = true;
  await Promise.all(clients);
  assert.ok(statuses.has(200) && statuses.has(404), [...statuses].join());
  assert.deepEqual((await infer(server.it, 'leaving', x(1))).body.outputs[0].data, [2]);
});

test('another version under the same name is another model', async () => {
  await familiar(server.it, second, () => infer(server.it, 'other', x(1)));
  await writeModel(server.it.folder, 'other', '2', models.plus(2));
  assert.equal((await call(server.it, 'POST', '/v2/repository/models/other/load')).status, 200);
  await familiar(server.it, second, () => infer(server.it, 'other', x(1)));
  assert.deepEqual((await infer(server.it, 'other', x(1))).body.outputs[0].data, [3]);
});

test('a worker that crashes takes none of them with it', async () => {
  const lone = await serve(server.it.folder, { script: new URL('./crashing-worker.ts', import.meta.url) });
  try {
    const ask = (value: number) =>
      infer(lone, 'embedding', [{ name: 'ids', datatype: 'INT64', shape: [1, 1], data: [value] }]);
    await familiar(lone, second, () => ask(7));
    const expected = (await ask(7)).text;
    for (let round = 0; round < 2; round += 1) {
      const crash = call(lone, 'POST', '/v1/models/text:predict', { instances: ['exit now'] });
      let lost = 0;
      for (let time = 0; time < 50; time += 1) {
        const answer = await ask(7);
        if (answer.status === 503) lost += 1;
        else assert.equal(answer.text, expected);
      }
      // A slow moment of this machine may have sent one to the worker.
      assert.ok(lost <= 1, `${lost} were lost`);
      refused(await crash, 503);
      // It is replaced, and takes what is its own.
      assert.equal((await call(lone, 'POST', '/v1/models/text:predict', { instances: ['hello'] })).status, 200);
    }
    assert.ok(await answeredMeanwhile(lone, second / 4, () => ask(7)));
  } finally {
    await lone.stop();
  }
});
