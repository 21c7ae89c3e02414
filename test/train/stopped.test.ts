import assert from 'node:assert/strict';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { prepare } from '../../functions/training/candidate.ts';
import { recipe } from '../../functions/training/recipe.ts';
import { search } from '../../functions/training/search/run.ts';
import { sha256 } from '../inference-container/fixture.ts';
import {
  csv,
  type Ended,
  filesOf,
  manifestOf,
  refused,
  rows,
  splits,
  start,
  trainCommand,
  useFolder,
} from './fixture.ts';

/** Training that is stopped, or whose disk is full: there is the old package or the new one, whole. */
const folder = useFolder();

interface Place {
  out: string;
  temporary: string;
  models(): Promise<Record<string, string>>;
  temporaryFiles(): Promise<string[]>;
}

/** A repository with a package, in a folder of its own. */
async function place(name: string): Promise<Place> {
  const old = { name: 'intents', version: '1.0.0', files: { 'model.onnx': sha256('old') } };
  await folder.write(`${name}/models/intents/1.0.0/model.json`, old);
  await folder.write(`${name}/models/intents/1.0.0/model.onnx`, 'old');
  const temporary = join(folder.path, name, 'tmp');
  await mkdir(temporary);
  return {
    out: join(folder.path, name, 'models/intents/1.0.0'),
    temporary,
    models: () => filesOf(join(folder.path, name, 'models')),
    temporaryFiles: () => readdir(temporary),
  };
}

/** A signal ended it, or it ended with a signal's code; no stack is shown. */
function stopped({ code, signal, stderr }: Ended): void {
  assert.ok(signal === 'SIGINT' || code === 130, `ended with ${code ?? signal}: ${stderr}`);
  assert.doesNotMatch(stderr, /\bat .*[:(]\d+|\[\w*Error/);
}

async function whole(out: string): Promise<void> {
  const { files } = await manifestOf(out);
  for (const [name, sum] of Object.entries(files)) assert.equal(sha256(await readFile(join(out, name))), sum);
}

const trials = async (out: string): Promise<unknown[]> =>
  JSON.parse(await readFile(join(out, '../.1.0.0.search.json'), 'utf8')).trials;

describe('Ctrl-C', { concurrency: 2 }, () => {
  test('at the start', async () => {
    const { out, temporary, models, temporaryFiles } = await place('start');
    const before = await models();
    const data = await folder.write('start.csv', csv(rows()));
    const training = start(process.execPath, trainCommand('--data', data, '--out', out), temporary);
    await training.says(/Training/);
    training.kill('SIGINT');
    stopped(await training.ended);
    assert.deepEqual(await models(), before);
    assert.deepEqual(await temporaryFiles(), []);
  });

  test('while the model is measured', async () => {
    const { out, temporary, models, temporaryFiles } = await place('measured');
    const before = await models();
    const content = splits({ intents: 3 });
    const many = Array.from({ length: 20_000 }, (_, index) => content.test[index % content.test.length]!);
    const data = await folder.write('measured.json', { ...content, test: many });
    const watcher = watch(temporary);
    const training = start(process.execPath, trainCommand('--data', data, '--out', out), temporary);
    await once(watcher, 'change');
    watcher.close();
    training.kill('SIGINT');
    stopped(await training.ended);
    assert.deepEqual(await models(), before);
    assert.deepEqual(await temporaryFiles(), []);
  });

  test('while the package is written: it is the old one or the new one', async () => {
    const { out, temporary } = await place('written');
    const data = await folder.write('written.csv', csv(rows()));
    const watcher = watch(join(out, '..'));
    const training = start(process.execPath, trainCommand('--data', data, '--out', out), temporary);
    await once(watcher, 'change');
    watcher.close();
    training.kill('SIGINT');
    await training.ended;
    await whole(out);
  });

  test('in the middle of a search: it goes on with what it has', async () => {
    const { out, temporary, models } = await place('search');
    const before = await models();
    const data = await folder.write('search.json', splits({ intents: 2, train: 6 }));
    const command = trainCommand('--data', data, '--out', out, '--search', '3');
    const searching = start(process.execPath, command, temporary);
    await searching.says(/search: [12] of 7/);
    searching.kill('SIGINT');
    stopped(await searching.ended);
    const { 'intents/.1.0.0.search.json': _, 'intents/.1.0.0.search.json.part': __, ...others } = await models();
    assert.deepEqual(others, before);
    const kept = await trials(out);
    assert.ok(kept.length >= 1 && kept.length < 7);

    const known: number[] = [];
    const file = join(out, '../.1.0.0.search.json');
    const progress = (done: number) => known.push(done);
    const all = await search(await prepare({ data, seed: 1 }), {
      trials: 3,
      seconds: 600,
      seed: 1,
      recipe,
      file,
      progress,
    });
    assert.equal(known[0], kept.length);
    assert.equal(all.trials.length, 7);
    assert.deepEqual((await trials(out)).slice(0, kept.length), kept);
  });
});

describe('a disk that is full', { concurrency: 2 }, () => {
  test('of temporary files', async () => {
    const { out, temporary, models, temporaryFiles } = await place('limit');
    const before = await models();
    const data = await folder.write('limit.csv', csv(rows()));
    const command = [process.execPath, ...trainCommand('--data', data, '--out', out)];
    // Files of 4 KB at most: writing more fails as on a full disk.
    const ended = await start('bash', ['-c', 'ulimit -f 4 && exec "$@"', 'bash', ...command], temporary).ended;
    refused(ended, /EFBIG|too large|space|written/);
    assert.deepEqual(await models(), before);
    assert.deepEqual(await temporaryFiles(), []);
  });

  test('of models', async () => {
    const { out, temporary, temporaryFiles } = await place('full');
    const data = await folder.write('full.csv', csv(rows()));
    const command = [process.execPath, ...trainCommand('--data', data, '--out', out)];
    // A disk of 16 KB in a mount namespace of its own, with a package on it; it ends with the process.
    const script = `
      mount -t tmpfs -o size=16k none "$0" && mkdir -p "$0/intents/1.0.0" && echo old > "$0/intents/1.0.0/model.json" || exit 99
      "$@"; code=$?
      cd "$0" && find . -type f && cat intents/1.0.0/model.json
      exit $code`;
    const inside = ['--mount', '--map-root-user', 'bash', '-c', script, join(out, '../..'), ...command];
    const ended = await start('unshare', inside, temporary).ended;
    // Where mounting is not permitted, the test before this one is all there is.
    if (ended.code === 99 || /unshare/.test(ended.stderr)) return;
    refused(ended, /ENOSPC|space/);
    assert.ok(ended.stdout.endsWith('./intents/1.0.0/model.json\nold\n'), ended.stdout);
    assert.equal(ended.stdout.trim().split('\n').length, 2, 'nothing beside it');
    assert.deepEqual(await temporaryFiles(), []);
  });
});
