import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fitConfidence, fitStandards } from '../../functions/training/calibration.ts';
import { openClassifier } from '../../functions/training/classifier.ts';
import { csv, manifestOf, trainQuickly, useFolder } from './fixture.ts';

/** A few utterances that are all right do not make a model certain. */
const folder = useFolder();

test('six right answers of six are no proof', () => {
  const labels = Int32Array.from([0, 1, 2, 0, 1, 2]);
  const logits = Float32Array.from([...labels].flatMap((own) => [0, 1, 2].map((label) => (label === own ? 1 : 0))));
  const { temperature, slope, shift } = fitConfidence(logits, labels, 3);
  const p = 1 / (1 + 2 * Math.exp(-1 / temperature));
  const score = 1 / (1 + Math.exp(-slope * Math.log(p / (1 - p)) - shift));
  assert.ok(score > 0.5 && score < 0.99, `${score}`);
});

test('however sure of all it is, what is likelier has the higher score', () => {
  const labels = Int32Array.from({ length: 24 }, (_, row) => row % 3);
  const logits = Float32Array.from(
    [...labels].flatMap((own, row) => [0, 1, 2].map((label) => (label === own ? 3 + (row % 4) : 0))),
  );
  const { temperature, slope, shift } = fitConfidence(logits, labels, 3);
  const score = (logit: number) => {
    const p = 1 / (1 + 2 * Math.exp(-logit / temperature));
    return 1 / (1 + Math.exp(-slope * Math.log(p / (1 - p)) - shift));
  };
  assert.ok(score(6) - score(2) > 0.005, `${score(6)} ${score(2)}`);
});

test('a member that knows nothing has no weight, though the others are right by themselves', () => {
  const labels = Int32Array.from({ length: 24 }, (_, row) => row % 3);
  const right = Float32Array.from([...labels].flatMap((own) => [0, 1, 2].map((label) => (label === own ? 4 : 0))));
  // The same for every row, and hardly anything: made as large as the other it would decide where that one is not sure.
  const blind = Float32Array.from({ length: right.length }, (_, at) => [0.01, 0, 0.02][at % 3]!);
  const [own, other] = fitStandards([right, blind], labels, 3);
  assert.ok(own!.scale > 0);
  assert.equal(other!.scale, 0);
});

test('six wrong answers of six are none either', () => {
  const labels = Int32Array.from([0, 1, 2, 0, 1, 2]);
  const logits = Float32Array.from([...labels].flatMap((own) => [0, 1, 2].map((label) => (label === own ? 0 : 1))));
  for (const value of Object.values(fitConfidence(logits, labels, 3))) assert.ok(Number.isFinite(value));
});

test('a model that is right on all of validation still tells what it does not know', async () => {
  const things = {
    fruit: 'apple pear plum cherry grape lemon melon peach mango kiwi',
    animal: 'horse cow sheep goat pig duck goose donkey rabbit hen',
    weather: 'rain snow wind fog hail frost storm thunder sunshine cloud',
  };
  const rows = Object.entries(things).flatMap(([intent, words]) =>
    words.split(' ').map((word) => [`${intent} please, the ${intent} with ${word}`, intent]),
  );
  const out = join(folder.path, 'models/things/1.0.0');
  const { validation } = await trainQuickly(await folder.write('things.csv', csv(rows)), out);
  assert.equal(validation.accuracyRaw, 1);
  const manifest = await manifestOf(out);
  assert.ok(manifest.threshold < 1, `${manifest.threshold}`);
  const classifier = await openClassifier(out, manifest);
  const [known, unknown] = await classifier.classify(['fruit please, the fruit with apricot', 'xylophone quartz']);
  await classifier.close();
  assert.equal(known!.label, 'fruit');
  assert.equal(unknown!.label, 'none');
});
