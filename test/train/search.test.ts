import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { prepare } from '../../functions/training/candidate.ts';
import { search, type Trial } from '../../functions/training/search.ts';
import type { Trained } from '../../functions/training/train.ts';
import { filesOf, quick, splits, trainQuickly, useFolder } from './fixture.ts';

const folder = useFolder();

interface Searched {
  trained: Trained;
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
    search: { trials, file, progress: (done) => progress.push(done) },
  });
  return { trained, out, file, progress };
}

const kept = async (file: string): Promise<Trial[]> => JSON.parse(await readFile(file, 'utf8')).trials;
const score = ({ figures: { accuracyRaw, oosAuroc } }: Trial) => accuracyRaw + (oosAuroc ?? 0);
const untimed = (trials: Trial[]) => trials.map(({ seconds: _, ...trial }) => trial);

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

test('a search runs the trials that it was asked for, the recipe as it is among them', () => {
  assert.equal(two.progress[0], 0);
  assert.equal(two.progress.at(-1), 2);
  assert.deepEqual(
    two.trained.trials.map(({ index }) => index),
    [0, 1],
  );
  assert.deepEqual(two.trained.trials[0]!.settings, {});
  assert.ok(Object.keys(two.trained.trials[1]!.settings).length > 5);
});

test('a search goes on: what was tried is not tried again', async () => {
  assert.equal(four.progress[0], 2);
  assert.equal(four.progress.at(-1), 4);
  const all = await kept(four.file);
  assert.deepEqual(all.slice(0, 2), afterTwo);
  assert.deepEqual(all.map(({ index }) => index).sort(), [0, 1, 2, 3]);
});

test('the best on validation is trained', () => {
  const best = [...four.trained.trials].sort((a, b) => score(b) - score(a) || a.index - b.index)[0]!;
  const { accuracyRaw, oosAuroc } = four.trained.validation;
  assert.deepEqual({ accuracyRaw, oosAuroc }, best.figures);
});

test('the report lists every trial, the best first', async () => {
  const report = await readFile(join(four.out, 'report.md'), 'utf8');
  const table = report.slice(report.indexOf('of the search')).split('\n## ')[0]!;
  const listed = table.split('\n').filter((line) => /^\| \d+ \|/.test(line));
  const indices = listed.map((line) => Number(line.split('|')[1]));
  assert.deepEqual([...indices].sort(), [0, 1, 2, 3]);
  const scores = indices.map((index) => score(four.trained.trials[index]!));
  assert.deepEqual(
    scores,
    [...scores].sort((a, b) => b - a),
  );
  for (const { index, settings } of four.trained.trials)
    for (const [name, value] of Object.entries(settings))
      assert.ok(listed[indices.indexOf(index)]!.includes(`${name} ${value}`));
});

test('the same data and seed try the same and give the same model', async () => {
  assert.equal(again.progress[0], 0);
  assert.deepEqual(untimed(again.trained.trials), untimed(two.trained.trials));
  const files = await filesOf(again.out);
  for (const name of ['model.onnx', 'vocabulary.json', 'reliability.svg']) assert.equal(files[name], filesOfTwo[name]);
});

test('the same data and seed give the same bytes of every file, with a search too', async () => {
  assert.deepEqual(await filesOf(again.out), filesOfTwo);
});

/** Searches with one trial in the folder of this name; was it known? */
async function known(name: string, { content = splits(), seed = 1, background = '' } = {}): Promise<number> {
  const data = await folder.write(`${name}/data.json`, content);
  const lines = background ? await folder.write(`${name}/background.txt`, background) : undefined;
  const prepared = await prepare({ data, seed, background: lines });
  const file = join(folder.path, name, 'search.json');
  const progress: number[] = [];
  const { trials } = await search(prepared, {
    trials: 1,
    seed,
    recipe: quick,
    file,
    progress: (done) => progress.push(done),
  });
  assert.equal(trials.length, 1);
  assert.equal((await kept(file)).length, 1);
  return progress[0]!;
}

test('a search for fewer trials than there are uses no others', async () => {
  const file = 'fewer/search.json';
  await folder.write(file, await readFile(four.file, 'utf8'));
  const data = await folder.write('fewer/data.json', splits());
  const { trials } = await search(await prepare({ data, seed: 1 }), {
    trials: 2,
    seed: 1,
    recipe: quick,
    file: join(folder.path, file),
    progress: () => undefined,
  });
  assert.deepEqual(untimed(trials), untimed(two.trained.trials));
});

test('trials of other data, another seed or another background are not used', async () => {
  const other = splits();
  other.train.pop();
  assert.equal(await known('others'), 0);
  assert.equal(await known('others', { content: other }), 0);
  assert.equal(await known('others', { content: other }), 1);
  assert.equal(await known('others', { content: other, seed: 2 }), 0);
  assert.equal(await known('others', { content: other, seed: 2, background: 'who won\nthe match' }), 0);
});

test('a file of trials that is broken is begun again', async () => {
  await folder.write('broken/search.json', '{"of": "');
  assert.equal(await known('broken'), 0);
});
