import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fitConfidence } from '../../scripts/train/calibration.ts';
import { openClassifier } from '../../scripts/train/classifier.ts';
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
