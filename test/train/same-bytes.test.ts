import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { prepare, trainCandidate } from '../../functions/training/candidate.ts';
import { csv, filesOf, quick, rows, splits, trainQuickly, useFolder } from './fixture.ts';

const folder = useFolder();

test('the same data and seed give the same bytes of every file, another seed gives others', async () => {
  const data = await folder.write('rows.csv', csv([...rows(), ...splits().oos_train.map(([text]) => [text, 'none'])]));
  const made = [];
  for (const [name, seed] of Object.entries({ once: 1, again: 1, other: 2 })) {
    const out = join(folder.path, name, 'intents/1.0.0');
    await trainQuickly(data, out, { seed });
    made.push(await filesOf(out));
  }
  const [once, again, other] = made;
  const names = ['model.json', 'model.onnx', 'reliability.svg', 'report.md', 'vocabulary.json'];
  assert.deepEqual(Object.keys(once!), names);
  assert.deepEqual(again, once);
  assert.notEqual(other!['model.onnx'], once!['model.onnx']);
});

test('one thread and two make the same model, another seed of the same split makes another', async () => {
  const prepared = await prepare({ data: await folder.write('splits.json', splits()), seed: 1 });
  const made = [];
  for (const [seed, threads] of [
    [1, 1],
    [1, 2],
    [2, 2],
  ] as const) {
    const candidate = await trainCandidate(prepared, { recipe: quick, seed, threads, progress: () => undefined });
    await candidate.close();
    const { files, threshold, validation } = candidate;
    made.push({ files, threshold, validation });
  }
  const [one, two, other] = made;
  assert.deepEqual(two, one);
  assert.equal(other!.files['vocabulary.json'], one!.files['vocabulary.json']);
  assert.notDeepEqual(other!.files['model.onnx'], one!.files['model.onnx']);
});

test('of a file without splits each utterance is held out once, and the same seed holds out the same', async () => {
  const data = await folder.write('split.csv', csv(rows()));
  const [first, same, other] = await Promise.all([1, 1, 2].map((seed) => prepare({ data, seed })));
  assert.deepEqual(same!.folds, first!.folds);
  assert.notDeepEqual(other!.folds, first!.folds);
  const all = rows()
    .map(([text]) => text)
    .sort();
  for (const { labels, train, folds } of [first!, other!]) {
    assert.equal(train.length, all.length);
    assert.deepEqual(folds.flatMap(({ held }) => held.map(({ text }) => text)).sort(), all);
    for (const fold of folds)
      for (const label of labels) {
        assert.ok(fold.train.some(({ intent }) => intent === label));
        assert.ok(fold.held.some(({ intent }) => intent === label));
      }
  }
});

test('of many utterances a tenth of each intent is held out, and all are trained on in the end', async () => {
  const many = Array.from({ length: 3_100 }, (_, index) => [`utterance ${index}`, `intent_${index % 5}`]);
  const { folds, train, refit } = await prepare({ data: await folder.write('many.csv', csv(many)), seed: 1 });
  assert.deepEqual(
    folds.map((fold) => [fold.train.length, fold.held.length]),
    [[2_790, 310]],
  );
  assert.equal(train.length, 3_100);
  assert.equal(refit, true);
});
