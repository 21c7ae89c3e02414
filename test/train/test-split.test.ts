import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { prepare, trainCandidate } from '../../functions/training/candidate.ts';
import { search } from '../../functions/training/search/run.ts';
import { filesOf, manifestOf, quick, splits, trainQuickly, useFolder } from './fixture.ts';

/** Nothing is chosen on the test split, and nobody reads it before everything is decided. */
const folder = useFolder();

test('another test split changes its figures, the golden cases and the report, and nothing else', async () => {
  const whole = splits();
  // Poisoned: every label is wrong, and what is out of scope is in it.
  const labels = [...new Set(whole.train.map(([, intent]) => intent))];
  const poisoned = {
    ...whole,
    test: whole.test.map(([text, intent]) => [`${text} zzz`, labels[(labels.indexOf(intent) + 1) % labels.length]!]),
    oos_test: whole.train.slice(0, 20),
  };
  const outs = [];
  const trained = [];
  for (const [name, content] of Object.entries({ whole, poisoned })) {
    const out = join(folder.path, name, 'intents/1.0.0');
    trained.push(await trainQuickly(await folder.write(`${name}.json`, content), out));
    outs.push(out);
  }
  const [first, second] = await Promise.all(outs.map(filesOf));
  assert.equal(second!['model.onnx'], first!['model.onnx']);
  assert.equal(second!['vocabulary.json'], first!['vocabulary.json']);

  const [one, two] = await Promise.all(outs.map(manifestOf));
  const decided = ({ metrics, golden, files, trainedOn, ...rest }: typeof one & object) => ({
    ...rest,
    examples: trainedOn.examples,
  });
  assert.deepEqual(decided(two!), decided(one!));
  assert.equal(two!.files['model.onnx'], one!.files['model.onnx']);
  assert.notDeepEqual(two!.metrics, one!.metrics);
  assert.notDeepEqual(two!.golden, one!.golden);

  const figures = trained.map(({ threshold, validation, labels: count, dropped, counts: { train } }) => ({
    threshold,
    validation,
    count,
    dropped,
    train,
  }));
  assert.deepEqual(figures[1], figures[0]);
  const said = await Promise.all(outs.map((out) => readFile(join(out, 'report.md'), 'utf8')));
  const ofValidation = said.map((report) =>
    report.split('\n').filter((line) => /^\| validation|^Threshold/.test(line)),
  );
  assert.equal(ofValidation[0]!.length, 2);
  assert.deepEqual(ofValidation[1], ofValidation[0]);
});

test('a model is trained, and settings are searched for, without the test split', async () => {
  const data = await folder.write('locked.json', splits());
  const prepared = await prepare({ data, seed: 1 });
  const locked = {
    ...prepared,
    test(): never {
      throw new Error('the test split was read');
    },
  };
  const candidate = await trainCandidate(locked, { recipe: quick, seed: 1, threads: 2, progress: () => undefined });
  await candidate.close();
  const file = join(folder.path, 'locked.search.json');
  const { trials } = await search(locked, {
    trials: 1,
    seconds: 600,
    seed: 1,
    recipe: quick,
    file,
    progress: () => undefined,
  });
  assert.equal(trials.length, 3);
});

test('the rows of the test split are read when training has ended, once', async () => {
  const data = await folder.write('watched.json', splits());
  const text = await readFile(data, 'utf8');
  const events: string[] = [];
  const parse = JSON.parse;
  const parsing = mock.method(JSON, 'parse', (given: string, reviver?: Parameters<typeof parse>[1]) => {
    const value = parse(given, reviver);
    return given === text ? { ...value, test: watched(value.test), oos_test: watched(value.oos_test) } : value;
  });
  function watched(list: unknown[]): unknown[] {
    return new Proxy(list, {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) events.push('row');
        return Reflect.get(target, key, target);
      },
    });
  }
  await trainQuickly(data, join(folder.path, 'watched/intents/1.0.0'), {
    progress: () => events.push('training'),
    search: {
      trials: 1,
      seconds: 600,
      file: join(folder.path, 'watched.search.json'),
      progress: () => events.push('search'),
    },
  });
  parsing.mock.restore();
  assert.ok(events.lastIndexOf('training') > events.lastIndexOf('search'));
  const { test: inside, oos_test } = splits();
  assert.equal(events.filter((event) => event === 'row').length, inside.length + oos_test.length);
  assert.ok(events.indexOf('row') > events.lastIndexOf('training'));
});
