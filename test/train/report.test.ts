import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { csv, splits, trainQuickly, useFolder } from './fixture.ts';

const folder = useFolder();

test('the confusion table accounts for every utterance, also of intents with a bar in their names', async () => {
  const content = splits();
  const barred = (rows: [string, string][]) => rows.map(([text, intent]): [string, string] => [text, `${intent}|x`]);
  const labels = [...new Set(content.test.map(([, intent]) => intent))];
  // Every third label is another's: something must be taken for something else.
  const test = content.test.map(([text, intent], index): [string, string] => [
    text,
    index % 3 === 0 ? labels[(labels.indexOf(intent) + 1) % labels.length]! : intent,
  ]);
  const data = await folder.write('barred.json', {
    ...content,
    train: barred(content.train),
    val: barred(content.val),
    test: barred(test),
  });
  const out = join(folder.path, 'barred/intents/1.0.0');
  const trained = await trainQuickly(data, out);
  const report = await readFile(join(out, 'report.md'), 'utf8');
  const [, section] = report.split('## Confusion table (test)');
  const rows = section!
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => /^\| .*\d/.test(line))
    .map((line) => line.slice(2, -2).split(/ \| /));
  assert.deepEqual(
    rows.map(([said]) => said),
    [...labels.map((label) => `${label}\\|x`).sort(), 'none'],
  );
  let right = 0;
  for (const [said, count, correct, others] of rows as [string, string, string, string][]) {
    const wrong = [...others.matchAll(/\((\d+)\)/g)].reduce((sum, [, number]) => sum + Number(number), 0);
    assert.equal(Number(correct) + wrong, Number(count), said);
    if (said !== 'none') right += Number(correct);
  }
  assert.equal(right / content.test.length, trained.test!.accuracyRaw);
  assert.equal(Number(rows.at(-1)![1]), content.oos_test.length);
  assert.equal(Number(rows.at(-1)![2]) / content.oos_test.length, trained.test!.oosRecall);
});

test('of few utterances the report says what more would bring, and of each threshold what it costs', async () => {
  const data = await folder.write('few.csv', csv(splits({ intents: 4, train: 10 }).train));
  const out = join(folder.path, 'few/intents/1.0.0');
  const { curve, tradeOff } = await trainQuickly(data, out);
  const own = await readFile(join(out, 'report.md'), 'utf8');
  assert.equal(curve.length, 3);
  for (const [index, { utterances, accuracy }] of curve.entries()) {
    assert.ok(accuracy >= 0 && accuracy <= 1);
    if (index > 0) assert.ok(utterances > curve[index - 1]!.utterances);
    assert.ok(own.includes(`| ${utterances.toFixed(1)} | ${(100 * accuracy).toFixed(1)}% |`));
  }
  assert.match(own, /\| about \d+\.\d%, if errors go on falling so \|/);
  for (const [index, one] of tradeOff.entries()) {
    if (index === 0) continue;
    // What a higher threshold gives up can't come back.
    assert.ok(one.threshold >= tradeOff[index - 1]!.threshold);
    assert.ok(one.right <= tradeOff[index - 1]!.right && one.wrong <= tradeOff[index - 1]!.wrong);
  }
  assert.ok(own.includes('## The choice of the threshold (validation)'));
  // Of a file with its own validation no curve is drawn.
  const validated = await trainQuickly(
    await folder.write('validated.json', splits()),
    join(folder.path, 'validated/intents/1.0.0'),
  );
  assert.deepEqual(validated.curve, []);
});
