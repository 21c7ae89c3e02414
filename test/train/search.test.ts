import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { prepare } from '../../functions/training/candidate.ts';
import type { Trial } from '../../functions/training/search/plan.ts';
import type { Found } from '../../functions/training/search/run.ts';
import { search } from '../../functions/training/search/run.ts';
import type { Trained } from '../../functions/training/train.ts';
import { filesOf, quick, splits, trainQuickly, useFolder } from './fixture.ts';

/** A search of `npm run train`: in one process, kept in a file. Which settings are tried: plan.test.ts. */
const folder = useFolder();

interface Searched {
  trained: Trained;
  found: Found;
  out: string;
  file: string;
  progress: number[];
}

/** Trains with a search in a folder of its own: in the same folder it goes on with its trials. */
async function searched(name: string, trials: number): Promise<Searched> {
  const data = await folder.write(`${name}/data.json`, splits());
  const out = join(folder.path, name, 'models/intents/1.0.0');
  const file = join(folder.path, name, 'search.json');
  const progress: number[] = [];
  const trained = await trainQuickly(data, out, {
    search: { trials, seconds: 600, file, progress: (done) => progress.push(done) },
  });
  return { trained, found: trained.found!, out, file, progress };
}

const kept = async (file: string): Promise<Trial[]> => JSON.parse(await readFile(file, 'utf8')).trials;
const untimed = (trials: Trial[]) =>
  trials.map(({ seconds: _, ...trial }) => trial).sort((a, b) => a.rung - b.rung || a.index - b.index);
const names = (trials: Trial[]) => trials.map(({ index, rung }) => `${index}.${rung}`).sort();

let two: Searched;
let afterTwo: Trial[];
let filesOfTwo: Record<string, string>;
let four: Searched;
let again: Searched;
before(async () => {
  two = await searched('on', 2);
  afterTwo = await kept(two.file);
  filesOfTwo = await filesOf(two.out);
  four = await searched('on', 4);
  again = await searched('again', 2);
});

test('a search runs the trials that it was asked for, the recipe as it is among them, and says how far it is', () => {
  assert.deepEqual([two.progress[0], two.progress.at(-1)], [0, 6]);
  assert.deepEqual(names(two.found.trials), ['0.0', '0.1', '0.2', '1.0', '1.1', '1.2']);
  const of = (index: number) => two.found.trials.find((trial) => trial.index === index)!;
  assert.deepEqual(of(0).settings, {});
  assert.equal(Object.keys(of(1).settings).length, 1);
});

test('a search goes on: what was tried is not tried again', async () => {
  assert.equal(four.progress[0], 6);
  assert.deepEqual((await kept(four.file)).slice(0, 6), afterTwo);
  assert.deepEqual([...new Set(four.found.trials.map(({ index }) => index))].sort(), [0, 1, 2, 3]);
});

test('what is found is trained: the recipe as it is where nothing is better', () => {
  const { settings, compared } = four.found;
  const { accuracyRaw, oosAuroc } = four.trained.validation;
  const { figures } = Object.keys(settings).length > 0 ? compared!.after : compared!.before;
  assert.deepEqual({ accuracy: accuracyRaw, auroc: oosAuroc }, figures);
});

test('a setting that does nothing shows as nothing, with no answer changed', async () => {
  // Nothing is out of scope here: how often that counts changes nothing.
  const { oos_train: _, oos_val: __, ...inside } = splits();
  const data = await folder.write('nothing/data.json', inside);
  const { effects } = await search(await prepare({ data, seed: 1 }), {
    trials: 12,
    seconds: 600,
    seed: 1,
    recipe: { ...quick, cnns: quick.cnns.map((one) => ({ ...one, epochs: 2 })) },
    file: join(folder.path, 'nothing/search.json'),
    progress: () => undefined,
  });
  assert.equal(effects.length, 11);
  const dead = effects.find(({ setting }) => setting === 'outsideTimes')!;
  assert.deepEqual([dead.accuracy, dead.changed, dead.shows], [0, 0, 'nothing']);
  // Ten times as many rounds are seen.
  const epochs = effects.find(({ setting }) => setting === 'epochs')!;
  assert.ok(epochs.changed > 0 && epochs.from === 2 && epochs.to === 24, JSON.stringify(epochs));
});

test('the report says what each setting does, and lists every trial, the best first', async () => {
  const report = await readFile(join(four.out, 'report.md'), 'utf8');
  const part = report.slice(report.indexOf('## The search')).split('\n## ')[0]!;
  const rows = part.split('\n').filter((line) => /^\| \d+ \|/.test(line));
  assert.equal(rows.length, four.found.trials.length);
  for (const { setting, from, to, shows } of four.found.effects)
    assert.match(part, new RegExp(`^\\| ${setting} \\| ${from} \\| ${to} \\|.*\\| ${shows} \\|$`, 'm'));
  assert.equal(four.found.effects.length, 3);
});

test('the same data and seed try the same and give the same bytes of every file, with a search too', async () => {
  assert.equal(again.progress[0], 0);
  assert.deepEqual(untimed(again.found.trials), untimed(two.found.trials));
  assert.deepEqual(await filesOf(again.out), filesOfTwo);
});

test('after its seconds no trial begins: what has ended is said, and nothing taken', async () => {
  const data = await folder.write('late/data.json', splits());
  const late = await search(await prepare({ data, seed: 1 }), {
    trials: 20,
    seconds: 0.001,
    seed: 1,
    recipe: quick,
    file: join(folder.path, 'late/search.json'),
    progress: () => undefined,
  });
  assert.ok(late.trials.length < 5, `${late.trials.length}`);
  assert.deepEqual([late.settings, late.recipe], [{}, quick]);
});

/** Searches with one trial in the folder of this name; how much was known? */
async function known(name: string, { content = splits(), seed = 1, background = '' } = {}): Promise<number> {
  const data = await folder.write(`${name}/data.json`, content);
  const lines = background ? await folder.write(`${name}/background.txt`, background) : undefined;
  const prepared = await prepare({ data, seed, background: lines });
  const file = join(folder.path, name, 'search.json');
  const progress: number[] = [];
  const { trials } = await search(prepared, {
    trials: 1,
    seconds: 600,
    seed,
    recipe: quick,
    file,
    progress: (done) => progress.push(done),
  });
  assert.equal(trials.length, 3);
  assert.equal((await kept(file)).length, 3);
  return progress[0]!;
}

test('a search for fewer trials than there are uses no others', async () => {
  const file = 'fewer/search.json';
  await folder.write(file, await readFile(four.file, 'utf8'));
  const data = await folder.write('fewer/data.json', splits());
  const { trials } = await search(await prepare({ data, seed: 1 }), {
    trials: 2,
    seconds: 600,
    seed: 1,
    recipe: quick,
    file: join(folder.path, file),
    progress: () => undefined,
  });
  assert.deepEqual(names(trials), names(two.found.trials));
});

test('trials of other data, another seed or another background are not used', async () => {
  const other = splits();
  other.train.pop();
  assert.equal(await known('others'), 0);
  assert.equal(await known('others', { content: other }), 0);
  assert.equal(await known('others', { content: other }), 3);
  assert.equal(await known('others', { content: other, seed: 2 }), 0);
  assert.equal(await known('others', { content: other, seed: 2, background: 'who won\nthe match' }), 0);
});

test('a file of trials that is broken is begun again', async () => {
  await folder.write('broken/search.json', '{"of": "');
  assert.equal(await known('broken'), 0);
});
