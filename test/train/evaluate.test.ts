import assert from 'node:assert/strict';
import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { openClassifier } from '../../functions/training/classifier.ts';
import type { Trained } from '../../functions/training/train.ts';
import { writeModel } from '../inference-container/fixture.ts';
import * as models from '../inference-container/models.ts';
import { csv, evaluateCommand, manifestOf, refused, run, splits, trainQuickly, useFolder } from './fixture.ts';

const folder = useFolder();
const content = splits({ intents: 8 });
const KEYS = 'accuracyRaw inScopeAccuracy oosRecall oosAuroc macroF1 ece microsPerUtterance bytes'.split(' ');

let data = '';
/** Trained on all of it, and on every third row. */
let whole = '';
let less = '';
let trained: Trained;
before(async () => {
  data = await folder.write('data.json', content);
  const part = { ...content, train: content.train.filter((_, index) => index % 3 === 0) };
  [whole, less] = [join(folder.path, 'whole/intents/1.0.0'), join(folder.path, 'less/intents/1.0.0')];
  trained = await trainQuickly(data, whole, { giveUp: 0.1 });
  await trainQuickly(await folder.write('less.json', part), less, { giveUp: 0.1 });
});

async function evaluate(model: string, file: string, ...more: string[]) {
  const { code, stdout, stderr } = await run(evaluateCommand('--model', model, '--data', file, ...more));
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  return { lines, json: JSON.parse(lines.at(-1)!) as Record<string, number | null> };
}

/** A copy of the package with something changed. */
async function changed(name: string, change: (copy: string) => Promise<unknown>): Promise<string> {
  const copy = join(folder.path, name, 'intents/1.0.0');
  await cp(whole, copy, { recursive: true });
  await change(copy);
  return copy;
}

test('the last line has every figure, and they are those of the training', async () => {
  const { json, lines } = await evaluate(whole, data);
  assert.deepEqual(Object.keys(json), KEYS);
  const { metrics } = await manifestOf(whole);
  for (const [name, value] of Object.entries(trained.test!)) {
    assert.equal(json[name], Math.round(value * 1e6) / 1e6, name);
    // Rounded to four digits there, to six here.
    assert.ok(Math.abs(json[name]! - metrics[name]!) <= 0.51e-4, name);
  }
  assert.ok(json.microsPerUtterance! > 0);
  const files = ['model.onnx', 'model.json', 'vocabulary.json'];
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(whole, name))).size));
  assert.equal(
    json.bytes,
    sizes.reduce((sum, size) => sum + size),
  );
  assert.match(lines[0]!, new RegExp(`^${content.test.length + content.oos_test.length} utterances`));
  for (const name of ['accuracy', 'recall', 'AUROC', 'F1', 'calibration', 'µs', 'MB'])
    assert.ok(
      lines.some((line) => line.includes(name)),
      name,
    );
});

test('a file without splits is measured whole, also by another hand', async () => {
  const rows = [...content.test, ['what is this', 'unknown'], ...content.oos_test.map(([text]) => [text, 'none'])];
  const { json, lines } = await evaluate(whole, await folder.write('whole.csv', csv(rows)));
  assert.match(lines[0]!, new RegExp(`^${rows.length} utterances`));
  const right = trained.test!.accuracyRaw * content.test.length;
  assert.equal(json.accuracyRaw, Math.round((right / (content.test.length + 1)) * 1e6) / 1e6);
  assert.equal(json.oosRecall, Math.round(trained.test!.oosRecall * 1e6) / 1e6);
});

test('a file of a test split alone is measured', async () => {
  const { test: inside, oos_test } = content;
  const { json } = await evaluate(whole, await folder.write('alone.json', { test: inside, oos_test }));
  assert.equal(json.accuracyRaw, Math.round(trained.test!.accuracyRaw * 1e6) / 1e6);
  assert.equal(json.oosRecall, Math.round(trained.test!.oosRecall * 1e6) / 1e6);
});

test('figures of what is not there are null', async () => {
  const { json } = await evaluate(whole, await folder.write('inside.csv', csv(content.test)));
  assert.deepEqual(Object.keys(json), KEYS);
  assert.deepEqual([json.oosRecall, json.oosAuroc], [null, null]);
  assert.equal(json.accuracyRaw, Math.round(trained.test!.accuracyRaw * 1e6) / 1e6);
});

test('rows without a text or a label do not count, in training and here', async () => {
  const file = await folder.write('blank.json', { ...content, test: [...content.test, ['', content.test[0]![1]]] });
  const { test: figures } = await trainQuickly(file, join(folder.path, 'blank/intents/1.0.0'));
  const { json } = await evaluate(join(folder.path, 'blank/intents/1.0.0'), file);
  assert.equal(json.accuracyRaw, Math.round(figures!.accuracyRaw * 1e6) / 1e6);
});

describe('--compare', () => {
  test('prints each utterance whose answer changed, once', async () => {
    const { lines } = await evaluate(whole, data, '--compare', less);
    const texts = [...content.test, ...content.oos_test].map(([text]) => text);
    const answers = await Promise.all(
      [whole, less].map(async (model) => {
        const classifier = await openClassifier(model, await manifestOf(model));
        const labels = (await classifier.classify(texts)).map(({ label }) => label);
        await classifier.close();
        return labels;
      }),
    );
    const different = texts.filter((_, index) => answers[0]![index] !== answers[1]![index]);
    assert.ok(different.length > 0);
    const printed = lines.filter((line) => line.includes('→'));
    assert.deepEqual(
      printed.map((line) => JSON.parse(/"(?:[^"\\]|\\.)*"/.exec(line)![0])),
      different,
    );
    assert.ok(lines.some((line) => line.startsWith(`${different.length} answers differ from ${less}`)));
    assert.deepEqual(Object.keys(JSON.parse(lines.at(-1)!)), KEYS);
  });

  test('says so when none did', async () => {
    const { lines } = await evaluate(whole, data, '--compare', whole);
    assert.ok(lines.some((line) => /\b(0|no) answers differ/i.test(line)));
    assert.deepEqual(
      lines.filter((line) => line.includes('→')),
      [],
    );
  });

  test('with a folder that is no package', async () => {
    refused(await run(evaluateCommand('--model', whole, '--data', data, '--compare', folder.path)), /model\.json/);
  });
});

describe('any packaged text model', () => {
  test('one without a threshold answers everything', async () => {
    const model = await changed('open', async (copy) => {
      const { threshold: _, ...manifest } = await manifestOf(copy);
      await writeFile(join(copy, 'model.json'), JSON.stringify(manifest));
    });
    const { json } = await evaluate(model, data);
    assert.equal(json.inScopeAccuracy, json.accuracyRaw);
    assert.equal(json.oosRecall, 0);
  });

  test('one with a tokenizer', async () => {
    const model = await writeModel(folder.path, 'tokens', '1', models.text(), models.textPackage);
    const rows = [
      ['hello', 'greeting'],
      ['order', 'order'],
      ['bye', 'order'],
      ['something else', 'none'],
    ];
    const { json } = await evaluate(model, await folder.write('tokens.csv', csv(rows)));
    assert.equal(json.accuracyRaw, 0.666667);
    assert.equal(json.oosRecall, 1);
    const files = ['model.onnx', 'model.json', 'tokenizer.json'];
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(model, name))).size));
    assert.equal(
      json.bytes,
      sizes.reduce((sum, size) => sum + size),
    );
  });
});

describe('what cannot be evaluated is refused in one line', { concurrency: 2 }, () => {
  const refuses = async (says: RegExp, model: string, file: string, ...more: string[]) =>
    refused(await run(evaluateCommand('--model', model, '--data', file, ...more)), says);

  test('no folder', () => refuses(/nowhere/, join(folder.path, 'nowhere'), data));
  test('a folder without a package', () => refuses(/model\.json/, folder.path, data));
  test('a model.json that is no JSON', async () =>
    refuses(/model\.json/, await changed('json', (copy) => writeFile(join(copy, 'model.json'), '{"name":')), data));
  test('a model.json that is no manifest', async () =>
    refuses(
      /text classification|model\.json/,
      await changed('manifest', (copy) => writeFile(join(copy, 'model.json'), '{"task":"text-classification"}')),
      data,
    ));
  test('no model.onnx', async () =>
    refuses(/model\.onnx/, await changed('onnx', (copy) => rm(join(copy, 'model.onnx'))), data));
  test('half a model.onnx', async () =>
    refuses(
      /model\.onnx/,
      await changed('half', async (copy) => {
        const bytes = await readFile(join(copy, 'model.onnx'));
        await writeFile(join(copy, 'model.onnx'), bytes.subarray(0, bytes.length / 2));
      }),
      data,
    ));
  test('no vocabulary', async () =>
    refuses(/vocabulary\.json/, await changed('words', (copy) => rm(join(copy, 'vocabulary.json'))), data));
  test('a model of another task', async () =>
    refuses(
      /is not a model of texts or pictures/,
      await writeModel(folder.path, 'sum', '1', models.total(), { manifest: { task: 'tensor' } }),
      data,
    ));
  test('no file', () => refuses(/no file .*nothing\.csv/, whole, join(folder.path, 'nothing.csv')));
  test('an empty file', async () => refuses(/empty/, whole, await folder.write('empty.csv', '')));
  test('a file of something else', async () =>
    refuses(/list of intents/, whole, await folder.write('other.json', { intents: [] })));
  test('a file without labels', async () =>
    refuses(/no utterance with an intent/, whole, await folder.write('bare.csv', csv([['hello', '']]))));
  test('an option that there is not', () => refuses(/--verbose/, whole, data, '--verbose'));
  test('without a model or a file: the help', async () => {
    const { code, stdout, stderr } = await run(evaluateCommand('--model', whole));
    assert.equal(code, 1);
    assert.match(stdout, /--compare/);
    assert.equal(stderr, '');
  });
});
