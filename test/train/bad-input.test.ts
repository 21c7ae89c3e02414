import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openClassifier } from '../../functions/training/classifier.ts';
import { recipe } from '../../functions/training/recipe.ts';
import {
  csv,
  type Ended,
  filesOf,
  manifestOf,
  refused,
  rows,
  run,
  splits,
  trainCommand,
  trainQuickly,
  useFolder,
} from './fixture.ts';

/** `npm run train` as people use it: a process, its exit code, what it says and what it leaves behind. */
const folder = useFolder();

interface Attempt extends Ended {
  /** The package's folder. */
  out: string;
  /** Nothing is different from before: neither the package that was there nor what is beside it, nor temporary files. */
  untouched: boolean;
}

let attempts = 0;

/** Trains where a package is already. `name` is the data file's; without content there is none. */
async function attempt(
  name: string,
  content?: string | Uint8Array | object,
  parameters: string[] = [],
): Promise<Attempt> {
  attempts += 1;
  const own = `attempt-${attempts}`;
  const data = join(folder.path, own, name);
  if (content !== undefined) await folder.write(`${own}/${name}`, content);
  for (const [file, old] of [
    ['1.0.0/model.json', { name: 'intents', version: '1.0.0', task: 'text-classification', labels: ['old'] }],
    ['1.0.0/model.onnx', 'old'],
    ['0.9.0/model.json', { name: 'intents', version: '0.9.0' }],
  ] as const)
    await folder.write(`${own}/models/intents/${file}`, old);
  const models = join(folder.path, own, 'models');
  const temporary = join(folder.path, own, 'tmp');
  await mkdir(temporary);
  const before = await filesOf(models);
  const out = join(models, 'intents/1.0.0');
  const ended = await run(trainCommand('--data', data, '--out', out, ...parameters), temporary);
  const same = JSON.stringify(await filesOf(models)) === JSON.stringify(before);
  return { ...ended, out, untouched: same && (await readdir(temporary)).length === 0 };
}

/** The attempt was refused with these words, and nothing has changed. */
async function refuses(
  says: RegExp,
  name: string,
  content?: string | Uint8Array | object,
  parameters?: string[],
): Promise<void> {
  const attempted = await attempt(name, content, parameters);
  refused(attempted, says);
  assert.ok(attempted.untouched, 'nothing is destroyed, and nothing left behind');
}

/** What was trained, and what it said that it left out. */
async function trains(name: string, content: string | Uint8Array | object, parameters?: string[]) {
  const { code, stdout, stderr, out, untouched } = await attempt(name, content, parameters);
  assert.equal(code, 0, stderr);
  assert.ok(!untouched);
  const leftOut = stdout.split('\n').flatMap((line) => /^ {2}left out: (.*)/.exec(line)?.[1] ?? []);
  const report = await readFile(join(out, 'report.md'), 'utf8');
  for (const line of leftOut) assert.ok(report.includes(line), `the report says it too: ${line}`);
  return { out, leftOut, manifest: await manifestOf(out) };
}

const lines = (classes: number, each: number) =>
  Array.from({ length: classes * each }, (_, index) => [
    `utterance ${index} of many`,
    `intent ${Math.floor(index / each)}`,
  ]);
const utf16 = (text: string) => Buffer.from(text, 'utf16le');

describe('a file that cannot be trained on is refused in one line', { concurrency: 2 }, () => {
  test('no file', () => refuses(/no file .*none\.csv/, 'none.csv'));
  test('a folder', () => refuses(/is a folder/, 'none.csv', undefined, ['--data', import.meta.dirname]));
  test('an empty file', () => refuses(/empty\.csv is empty/, 'empty.csv', ''));
  test('a header without rows', () => refuses(/at least 2 intents/, 'header.csv', csv([])));
  test('one class', () =>
    refuses(
      /at least 2 intents .* there is 1$/,
      'one.csv',
      csv(rows().filter(([, intent]) => intent === rows()[0]![1])),
    ));
  test('one class and what is out of scope', () =>
    refuses(/at least 2 intents/, 'none.csv', csv([...lines(1, 10), ['what is the time', 'none'], ['hm', 'none']])));
  test('classes with one example each', () => refuses(/2 utterances each/, 'single.csv', csv(lines(20, 1))));
  test('50,000 classes', () => refuses(/50000 intents are more than the 2000/, 'classes.csv', csv(lines(50_000, 2))));
  test('more than 200,000 utterances', () =>
    refuses(/200100 utterances are more than the 200000/, 'many.csv', csv(lines(100, 2_001))));
  test('more than fit into memory together', () =>
    refuses(/30000 utterances of 2000 intents .* a sample of 25000/, 'both.csv', csv(lines(2_000, 15))));
  test('a test split alone', () => refuses(/at least 2 intents/, 'alone.json', { test: splits().test }));
  test('no column of labels', () => refuses(/columns text and intent/, 'column.csv', csv([['hello', '1']], 'text,id')));
  test('rows that end before the label', () =>
    refuses(/row 4 .*[Ff]ew fields/, 'short.csv', csv([['hello', 'a'], ['bye', 'b'], ['and what is this']])));
  test('rows without any label', () =>
    refuses(/at least 2 intents/, 'bare.csv', csv(rows().map(([text]) => [text, '']))));
  test('rows of a JSON without a label', () =>
    refuses(/(?=.*train)(?=.*\b[34]\b)/, 'bare.json', { train: [...rows().slice(0, 3), ['and what is this']] }));
  test('labels that are no text', () =>
    refuses(/(?=.*train)(?=.*\b[34]\b)/, 'numbers.json', { train: [...rows().slice(0, 3), ['and what is this', 7]] }));
  test('a test split that is no list of rows', () =>
    refuses(/test/, 'test.json', { ...splits({ intents: 2 }), test: [['and what is this']] }));
  test('Korean in CP949', () =>
    refuses(
      /not UTF-8/,
      'cp949.csv',
      Buffer.concat([Buffer.from('text,intent\n'), Buffer.from([0xbe, 0xc8, 0xb3, 0xe7]), Buffer.from(',greeting\n')]),
    ));
  test('UTF-16, as Excel saves Unicode text', () =>
    refuses(/not UTF-8/, 'le.csv', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16(csv(rows()))])));
  test('UTF-16, the other way round', () =>
    refuses(/not UTF-8/, 'be.csv', Buffer.concat([Buffer.from([0xfe, 0xff]), utf16(csv(rows())).swap16()])));
  test('UTF-16 without a mark', () => refuses(/UTF-8/, 'bare.csv', utf16(csv(lines(3, 3)))));
  test('Latin-1', () =>
    refuses(/not UTF-8/, 'latin.json', Buffer.from(JSON.stringify({ train: [['où est le café', 'a']] }), 'latin1')));
  test('a quotation mark that is not closed', () =>
    refuses(/row \d+ .*[Qq]uote/, 'quote.csv', `${csv(rows())}"and what is this,greeting\n`));
  test('too many fields', () => refuses(/row 3 .*[Mm]any fields/, 'commas.csv', 'text,intent\nhi,a\nwell, hello,b\n'));
  test('half a JSON', () => refuses(/JSON/, 'half.json', JSON.stringify(splits()).slice(0, -10)));
  test('a JSON of something else', () => refuses(/list of intents/, 'other.json', { intents: [] }));
  test('a CSV under another name', () => refuses(/CSV/, 'rows.txt', csv(rows())));
  test('no background file', async () => {
    await refuses(/no file .*missing\.txt/, 'data.csv', csv(rows()), ['--background', '/tmp/missing.txt']);
  });
  test('a background file that is no text', () =>
    refuses(/not UTF-8/, 'data.csv', csv(rows()), ['--background', process.execPath]));
});

describe('options that make no sense are refused in one line', { concurrency: 2 }, () => {
  for (const [says, parameters] of [
    [/--seed/, ['--seed', 'one']],
    [/--seed/, ['--seed=']],
    [/--seed/, ['--seed']],
    [/--give-up/, ['--give-up', 'much']],
    [/--give-up/, ['--give-up', '101']],
    [/--give-up/, ['--give-up=-1']],
    [/--search/, ['--search', 'all']],
    [/--search/, ['--search', '2.5']],
    [/--search/, ['--search', '1001']],
    [/--threads/, ['--threads', '2']],
    [/more/, ['more']],
  ] as const)
    test(parameters.join(' '), () => refuses(says, 'data.csv', csv(rows()), [...parameters]));

  test('without a file or a folder: the help', async () => {
    for (const parameters of [[], ['--data', 'x.csv'], ['--bot', 'functions/bot']]) {
      const { code, stdout, stderr } = await run(trainCommand(...parameters));
      assert.equal(code, 1);
      assert.match(stdout, /--data <file>/);
      assert.equal(stderr, '');
    }
    assert.equal((await run(trainCommand('--help'))).code, 0);
  });
});

describe('what is there is not destroyed', { concurrency: 2 }, () => {
  for (const [what, place, says] of [
    ['a folder of other things', 'precious', /precious/],
    ['a model repository', 'repository', /repository/],
    ['a file', 'precious/letter.txt', /letter\.txt/],
    ['a folder in a file', 'precious/letter.txt/1.0.0', /letter\.txt/],
  ] as const)
    test(`--out is ${what}`, async () => {
      const own = `kept-${place.replaceAll('/', '-')}`;
      await folder.write(`${own}/precious/letter.txt`, 'dear diary');
      await folder.write(`${own}/repository/intents/1.0.0/model.json`, { name: 'intents', version: '1.0.0' });
      await folder.write(`${own}/tmp/.keep`, '');
      const data = await folder.write(`${own}/data.csv`, csv(rows()));
      const before = await filesOf(join(folder.path, own));
      const ended = await run(
        trainCommand('--data', data, '--out', join(folder.path, own, place)),
        join(folder.path, own, 'tmp'),
      );
      assert.deepEqual(Object.keys(await filesOf(join(folder.path, own))), Object.keys(before));
      assert.deepEqual(await filesOf(join(folder.path, own)), before);
      refused(ended, says);
    });

  test('--out is named as no server would serve it', async () => {
    const data = await folder.write('named/data.csv', csv(rows()));
    for (const place of ['my intents/1.0.0', '의도/1.0.0']) {
      refused(await run(trainCommand('--data', data, '--out', join(folder.path, 'named', place))), /name/);
      assert.deepEqual(Object.keys(await filesOf(join(folder.path, 'named'))), ['data.csv']);
    }
  });
});

describe('what can be trained on is, and what is left out is said', { concurrency: 2 }, () => {
  test('rows that do not count', async () => {
    const [[text, intent], second] = rows() as [[string, string], [string, string]];
    const mixed = csv([
      ...rows().map(([own, label], index) => [own, index % 2 ? label : ` ${label} `]),
      ['   ', intent],
      ['and what is this', ''],
      ['once upon a time', 'lonely'],
      ['x'.repeat(10_000), intent],
      ['the word '.repeat(1_200), intent],
      ['it depends', rows()[0]![1]],
      ['It Depends ', rows().at(-1)![1]],
      [` ${text.toUpperCase()}`, intent],
      [second[0], second[1]],
      [second[0], second[1]],
    ]);
    // As Excel saves it: with a mark in front, and the ends of lines of Windows.
    const { leftOut, manifest } = await trains('MIXED.CSV', `\ufeff${mixed.replaceAll('\n', '\r\n')}`);
    const ends = [
      /^2 rows without/,
      /^2 .*1000 characters/,
      /^2 .*more than one label/,
      /^3 duplicates/,
      /^1 .*lonely/,
    ];
    assert.equal(leftOut.length, ends.length, leftOut.join('\n'));
    for (const [index, line] of leftOut.entries()) assert.match(line, ends[index]!);
    assert.deepEqual(manifest.labels, [...new Set(rows().map(([, label]) => label))].sort());
    assert.equal(manifest.trainedOn.examples, rows().length);
  });

  test('emoji', async () => {
    const data = await folder.write(
      'emoji/data.csv',
      csv(
        [
          ['🍕', 'pizza'],
          ['🍕🍕', 'pizza'],
          ['🍕 now', 'pizza'],
          ['a 🍕 please', 'pizza'],
          ['👨‍👩‍👧‍👦', 'family'],
          ['👨‍👩‍👧‍👦 👋🏽', 'family'],
          ['the 👨‍👩‍👧‍👦', 'family'],
          ['my 👨‍👩‍👧‍👦 please', 'family'],
          ['!!! ... ???', 'pizza'],
          ['🇰🇷', 'family'],
        ],
        'text,label',
      ),
    );
    const out = join(folder.path, 'emoji/models/emoji/1');
    assert.deepEqual((await trainQuickly(data, out, { recipe })).dropped, []);
    const manifest = await manifestOf(out);
    assert.deepEqual(manifest.labels, ['family', 'pizza']);
    const classifier = await openClassifier(out, manifest);
    const answers = await classifier.classify(['🍕🍕🍕', 'my 👨‍👩‍👧‍👦', '', '\u{1f9ff}']);
    await classifier.close();
    assert.deepEqual(
      answers.slice(0, 2).map(({ top }) => top[0]!.label),
      ['pizza', 'family'],
    );
    for (const { score } of answers) assert.ok(score >= 0 && score <= 1);
  });

  test('long lines in every split', async () => {
    const content = splits({ intents: 3 });
    const long = (list: [string, string][]) => [...list, ['word '.repeat(2_000), list[0]![1]] as [string, string]];
    const data = await folder.write('long/data.json', {
      ...content,
      train: long(content.train),
      val: long(content.val),
      test: long(content.test),
      oos_test: long(content.oos_test),
    });
    const { dropped } = await trainQuickly(data, join(folder.path, 'long/models/intents/1'));
    assert.match(dropped[0]!, /^1 .*1000 characters/);
  });

  test('the least there can be', async () => {
    const data = await folder.write('least/data.csv', csv(lines(2, 2)));
    assert.equal((await trainQuickly(data, join(folder.path, 'least/models/intents/1'))).labels, 2);
  });

  test('a JSON whose only validation rows are out of scope', async () => {
    const { train, oos_train, oos_val } = splits();
    const data = await folder.write('outside/data.json', { train, oos_train, oos_val });
    const { validation, threshold } = await trainQuickly(data, join(folder.path, 'outside/models/intents/1'));
    assert.ok(validation.accuracyRaw > 0);
    assert.ok(threshold < 1, 'a threshold of 1 answers nothing');
  });
});
