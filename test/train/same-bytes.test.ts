import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { prepare, trainCandidate } from '../../scripts/train/candidate.ts';
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
  // Not the same rows are trained on.
  assert.notEqual(other!['vocabulary.json'], once!['vocabulary.json']);
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
    const candidate = await trainCandidate(prepared, quick, seed, threads, () => undefined);
    await candidate.close();
    const { files, threshold, validation } = candidate;
    made.push({ files, threshold, validation });
  }
  const [one, two, other] = made;
  assert.deepEqual(two, one);
  assert.equal(other!.files['vocabulary.json'], one!.files['vocabulary.json']);
  assert.notDeepEqual(other!.files['model.onnx'], one!.files['model.onnx']);
});

test('a file without splits is split by intent, and the same seed splits the same way', async () => {
  const data = await folder.write('split.csv', csv(rows()));
  const [first, same, other] = await Promise.all([1, 1, 2].map((seed) => prepare({ data, seed })));
  assert.deepEqual(same!.train, first!.train);
  assert.deepEqual(same!.validation, first!.validation);
  assert.notDeepEqual(other!.validation, first!.validation);
  for (const { labels, train, validation } of [first!, other!]) {
    assert.equal(train.length + validation.inside.length, rows().length);
    for (const label of labels) {
      assert.ok(train.some(({ intent }) => intent === label));
      assert.ok(validation.inside.some(({ intent }) => intent === label));
    }
  }
});
