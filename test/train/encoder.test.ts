import assert from 'node:assert/strict';
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { call, serve } from '../inference-container/fixture.ts';
import { sentenceEncoder } from '../inference-container/models.ts';
import { manifestOf, refused, run, trainCommand, trainQuickly, useFolder, wordTokenizer } from './fixture.ts';

/** A sentence encoder that a team brings: words of one meaning have one vector, and most of them stand in no utterance. */
const folder = useFolder();
const MEANINGS = 6;
const SPELLINGS = 8;
/** Told apart by the encoder alone: no two share letters' n-grams. */
const words = Array.from({ length: MEANINGS * SPELLINGS }, (_, index) =>
  [0, 1, 2].map((place) => String.fromCodePoint(0x4e00 + index * 7 + place * 401)).join(''),
);
const meaning = (index: number) => Math.floor(index / SPELLINGS);
const DIMENSIONS = 8;
/** [padding, unknown, start, end, words]; what is no word has a vector of its own, so that a padding that is pooled is seen. */
const table = Float32Array.from({ length: (4 + words.length) * DIMENSIONS }, (_, at) => {
  const [row, column] = [Math.floor(at / DIMENSIONS), at % DIMENSIONS];
  if (row < 4) return column === MEANINGS + (row % 2) ? 3 : 0;
  return (column === meaning(row - 4) ? 1 : 0) + 0.05 * Math.sin(at * 12.9898);
});
const tokenizer = wordTokenizer(words);

/** Utterances of one to three words of a meaning; those of the test are spelled as none that is trained on. */
const data = {
  train: words.flatMap((word, index) => (index % SPELLINGS < 4 ? [[`${word} ${word}`, `i${meaning(index)}`]] : [])),
  test: words.flatMap((word, index) =>
    index % SPELLINGS >= 4 ? [1, 3].map((times) => [Array(times).fill(word).join(' '), `i${meaning(index)}`]) : [],
  ),
};

async function encoder(name: string, options: Parameters<typeof sentenceEncoder>[2] = {}): Promise<string> {
  const own = join(folder.path, name);
  await folder.write(`${name}/model.onnx`, sentenceEncoder(table, DIMENSIONS, options));
  await folder.write(`${name}/tokenizer.json`, tokenizer);
  return own;
}

let file = '';
before(async () => {
  file = await folder.write('meanings.json', data);
});

test('what was never trained on is understood by its meaning, and served so', async () => {
  const bare = await trainQuickly(file, join(folder.path, 'bare/intents/1'));
  assert.ok(bare.test!.accuracyRaw < 0.5, 'the words tell nothing by their letters');
  const own = await encoder('own');
  const out = join(folder.path, 'repository/intents/1');
  const trained = await trainQuickly(file, out, { encoders: [own] });
  assert.equal(trained.test!.accuracyRaw, 1);
  // The package is whole without the folder that it came from.
  await rm(own, { recursive: true });
  const server = await serve(join(folder.path, 'repository'), { workers: 1 });
  try {
    // Together, of different lengths: what fills up is nothing.
    const instances = data.test.map(([text]) => text);
    const together = await call(server, 'POST', '/v1/models/intents:predict', { instances });
    const alone = [];
    for (const text of instances) {
      const { body } = await call(server, 'POST', '/v1/models/intents:predict', { instances: [text] });
      alone.push(body.predictions[0]);
    }
    for (const [index, { top }] of together.body.predictions.entries()) {
      assert.equal(top[0].label, data.test[index]![1]);
      assert.ok(Math.abs(top[0].score - alone[index].top[0].score) < 1e-5);
    }
  } finally {
    await server.stop();
  }
});

test('vectors are the mean, the first token’s, or the model’s own, and weights may stand beside it', async () => {
  await encoder('first');
  await encoder('beside', { elsewhere: 'weights.bin' });
  await folder.write('beside/weights.bin', new Uint8Array(table.buffer));
  await encoder('pooled', { given: true });
  await encoder('newer', { opset: 18 });
  await cp(join(folder.path, 'first'), join(folder.path, 'quantised'), { recursive: true });
  await cp(join(folder.path, 'first/model.onnx'), join(folder.path, 'quantised/onnx/model_quantized.onnx'));
  await rm(join(folder.path, 'quantised/model.onnx'));
  await cp(join(folder.path, 'first'), join(folder.path, 'said'), { recursive: true });
  await folder.write('said/1_Pooling/config.json', { pooling_mode_cls_token: true });
  for (const [name, pooling] of [
    ['first', 'cls'],
    ['beside', undefined],
    ['pooled', undefined],
    ['newer', 'mean'],
    ['quantised', undefined],
    ['said', undefined],
  ] as const) {
    const out = join(folder.path, `poolings/${name}/1`);
    const trained = await trainQuickly(file, out, { encoders: [join(folder.path, name)], pooling });
    assert.equal(trained.test!.accuracyRaw, 1, name);
    assert.deepEqual(
      (await readdir(out)).filter((one) => one.startsWith('encoder')),
      ['encoder_0.tokenizer.json'],
    );
  }
});

test('a model that quantises as it runs mixes its rows: requests are not joined, and the exact one beside it is preferred', async () => {
  const mixed = await encoder('mixed', { quantised: true });
  const out = join(folder.path, 'mixed-rows/intents/1');
  await trainQuickly(file, out, { encoders: [mixed] });
  assert.equal((await manifestOf(out)).batching.rows, 'dependent');
  await cp(join(mixed, 'model.onnx'), join(folder.path, 'beside-it/onnx/model_quantized.onnx'));
  const exact = await encoder('beside-it');
  await trainQuickly(file, out, { encoders: [exact] });
  assert.equal((await manifestOf(out)).batching.rows, 'independent');
});

test('two encoders stand in one model; one that tells nothing is left out of it', async () => {
  const own = await encoder('right');
  const blind = join(folder.path, 'blind');
  await folder.write('blind/model.onnx', sentenceEncoder(new Float32Array(table.length).fill(1), DIMENSIONS));
  await folder.write('blind/tokenizer.json', tokenizer);
  const both = join(folder.path, 'two/intents/1');
  const trained = await trainQuickly(file, both, { encoders: [own, await encoder('again')] });
  assert.equal(trained.test!.accuracyRaw, 1);
  assert.equal((await manifestOf(both)).preprocessing.encoders?.length, 2);
  const out = join(folder.path, 'one/intents/1');
  const other = await trainQuickly(file, out, { encoders: [blind, own] });
  assert.equal(other.test!.accuracyRaw, 1);
  assert.equal((await manifestOf(out)).preprocessing.encoders?.length, 1);
});

test('the same data, seed and encoder give the same bytes', async () => {
  const own = await encoder('same');
  const [one, two] = [join(folder.path, 'once/intents/1'), join(folder.path, 'twice/intents/1')];
  for (const out of [one, two]) await trainQuickly(file, out, { encoders: [own] });
  assert.deepEqual((await manifestOf(two)).files, (await manifestOf(one)).files);
});

test('a folder that is no encoder is refused with what it lacks', async () => {
  const train = (...encoders: string[]) =>
    run(
      trainCommand(
        '--data',
        file,
        '--out',
        join(folder.path, 'no/intents/1'),
        ...encoders.flatMap((one) => ['--encoder', one]),
      ),
    );
  refused(await train(join(folder.path, 'nowhere')), /there is no such folder/);
  await folder.write('empty/tokenizer.json', tokenizer);
  refused(await train(join(folder.path, 'empty')), /there is no model\.onnx/);
  await folder.write('mute/model.onnx', sentenceEncoder(table, DIMENSIONS));
  refused(await train(join(folder.path, 'mute')), /there is no tokenizer\.json/);
  await folder.write('broken/model.onnx', 'no model');
  await folder.write('broken/tokenizer.json', tokenizer);
  refused(await train(join(folder.path, 'broken')), /model\.onnx can't be loaded/);
  await folder.write('garbled/model.onnx', sentenceEncoder(table, DIMENSIONS));
  await folder.write('garbled/tokenizer.json', '{');
  refused(await train(join(folder.path, 'garbled')), /its tokenizer can't be read/);
  refused(await train(await encoder('older', { opset: 12 })), /of opset 12; export it with 13/);
  refused(
    await train(await encoder('young', { opset: 18 }), await encoder('aged')),
    /opsets 18 and 17, which can't stand in one model/,
  );
});
