import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { openPictures } from '../../functions/training/image/classifier.ts';
import { readPictures } from '../../functions/training/image/dataset.ts';
import { nothing } from '../../functions/training/image/nothing.ts';
import { imageRecipe } from '../../functions/training/image/recipe.ts';
import { type ImageTrainOptions, type TrainedPictures, trainPictures } from '../../functions/training/image/train.ts';
import { Random } from '../../functions/training/random.ts';
import { call, serve } from '../inference-container/fixture.ts';
import { evaluateCommand, filesOf, refused, run, trainCommand, useFolder } from './fixture.ts';

/** From pictures to a package that is served; small ones, of three shapes, so that it takes seconds. */
const folder = useFolder();
const SIDE = 12;
const preprocessing = {
  kind: 'image' as const,
  ...{ width: SIDE, height: SIDE, channels: 1 as const, fit: 'contain' as const, layout: 'nchw' as const },
  mean: [0, 0, 0],
  std: [1, 1, 1],
};
const quick = {
  ...imageRecipe,
  filters: [16, 16] as [number, number],
  hidden: 16,
  epochs: 12,
  batch: 16,
  outside: 0.25,
};
const CLASSES = ['box', 'cross', 'ring'];

/** A shape at about the middle, light on dark. */
function shape(kind: number, random: Random): Uint8Array {
  const [x0, y0, size] = [5.5 + random.normal() * 0.5, 5.5 + random.normal() * 0.5, 3 + random.next() * 1.5];
  return Uint8Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [x, y] = [Math.abs((at % SIDE) - x0), Math.abs(Math.floor(at / SIDE) - y0)];
    const isIn = [
      Math.max(x, y) < size,
      Math.min(x, y) < 1 && Math.max(x, y) < size + 1,
      Math.abs(Math.hypot(x, y) - size) < 1,
    ];
    return Math.max(0, Math.min(255, (isIn[kind] ? 210 : 10) + 15 * random.normal()));
  });
}
const shapes = (count: number, seed: number) => {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) => ({ label: index % 3, pixels: shape(index % 3, random) }));
};
const png = (pixels: Uint8Array, width = SIDE) =>
  sharp(pixels, { raw: { width, height: pixels.length / width, channels: 1 } })
    .png()
    .toBuffer();

/** IDX files of pictures, packed or plain. */
async function idx(
  name: string,
  sets: { train: ReturnType<typeof shapes>; test?: ReturnType<typeof shapes> },
  packed = false,
): Promise<string> {
  const place = join(folder.path, name);
  await mkdir(place, { recursive: true });
  const numbers = (...values: number[]) =>
    Buffer.concat(
      values.map((value) => Buffer.from([value >> 24, value >> 16, value >> 8, value].map((byte) => byte & 255))),
    );
  for (const [split, rows] of Object.entries({ train: sets.train, ...(sets.test && { t10k: sets.test }) })) {
    const files = {
      [`${split}-images-idx3-ubyte`]: Buffer.concat([
        numbers(0x803, rows.length, SIDE, SIDE),
        ...rows.map(({ pixels }) => pixels),
      ]),
      [`${split}-labels-idx1-ubyte`]: Buffer.concat([
        numbers(0x801, rows.length),
        Buffer.from(rows.map(({ label }) => label)),
      ]),
    };
    for (const [file, bytes] of Object.entries(files))
      await writeFile(join(place, packed ? `${file}.gz` : file), packed ? gzipSync(bytes) : bytes);
  }
  return place;
}

const read = (source: string, more = {}) =>
  readPictures(source, { preprocessing, names: CLASSES, progress: () => undefined, ...more });
const trainIn = async (source: string, out: string, more: Partial<ImageTrainOptions> = {}): Promise<TrainedPictures> =>
  await trainPictures({
    dataset: await read(source),
    ...{
      preprocessing,
      out,
      name: 'shapes',
      version: '1',
      seed: 1,
      recipe: quick,
      giveUp: 0.01,
      progress: () => undefined,
    },
    ...more,
  });

let source: string;
let trained: TrainedPictures;
const out = (name: string) => join(folder.path, name, 'shapes/1');
before(async () => {
  source = await idx('idx', { train: shapes(300, 1), test: shapes(60, 2) });
  trained = await trainIn(source, out('first'));
});

test('it learns them, and says how well on what it has not seen', async () => {
  assert.deepEqual(trained.labels, CLASSES);
  assert.ok(trained.test!.accuracyRaw > 0.9, JSON.stringify(trained.test));
  assert.ok(trained.validation.oosAuroc > 0.8, JSON.stringify(trained.validation));
  const report = await readFile(join(out('first'), 'report.md'), 'utf8');
  assert.match(report, /^\| box \| \*\*\d+\*\* \|/m);
});

test('the same pictures and seed give the same bytes; another seed others', async () => {
  const first = await filesOf(out('first'));
  await trainIn(source, out('again'));
  assert.deepEqual(await filesOf(out('again')), first);
  await trainIn(source, out('other'), { seed: 2 });
  assert.notEqual((await filesOf(out('other')))['model.onnx'], first['model.onnx']);
});

test('nothing is chosen on the test split: another one changes its figures, the golden pictures and the report alone', async () => {
  const other = await idx('changed', { train: shapes(300, 1), test: shapes(60, 9) });
  const changed = await trainIn(other, out('changed'));
  assert.deepEqual([changed.threshold, changed.validation], [trained.threshold, trained.validation]);
  const [one, two] = [await filesOf(out('first')), await filesOf(out('changed'))];
  assert.equal(two['model.onnx'], one['model.onnx']);
  let reads = 0;
  const dataset = await read(source);
  const late: string[] = [];
  await trainIn(source, out('late'), {
    dataset: {
      ...dataset,
      test: () => {
        reads += 1;
        late.push('test');
        return dataset.test!();
      },
    },
    progress: () => late.push('training'),
  });
  assert.equal(reads, 1);
  assert.equal(late.at(-1), 'test');
});

describe('served', () => {
  test('the scores are those of the training, one by one as together; the golden pictures are right', async () => {
    const served = await serve(join(folder.path, 'first'));
    try {
      const { judged, threshold } = trained;
      const pictures = await Promise.all(
        shapes(60, 2).map(async ({ pixels }) => ({ b64: (await png(pixels)).toString('base64') })),
      );
      const ask = async (instances: unknown[]) => {
        const { status, body, text } = await call(served, 'POST', '/v1/models/shapes:predict', { instances });
        assert.equal(status, 200, text);
        return body.predictions as { label: string; score: number; top: { label: string; score: number }[] }[];
      };
      const together = await ask(pictures);
      for (const [row, { label, score, top }] of together.entries()) {
        const own = judged[row]!;
        assert.equal(top[0]!.label, own.label);
        assert.ok(Math.abs(score - own.score) < 1e-5, `${score} ${own.score}`);
        assert.equal(label, own.score < threshold ? 'none' : own.label);
      }
      for (const [row, picture] of pictures.slice(0, 8).entries()) {
        const [alone] = await ask([picture]);
        assert.ok(Math.abs(alone!.score - together[row]!.score) < 1e-6);
      }
      const { golden } = JSON.parse(await readFile(join(out('first'), 'model.json'), 'utf8'));
      assert.ok(golden.length >= 10);
      const right = await ask(golden.map(({ input }: { input: unknown }) => input));
      assert.deepEqual(
        right.map(({ label }) => label),
        golden.map(({ output }: { output: { label: string } }) => output.label),
      );
      const plain = [0, 128, 255].map((tone) => png(new Uint8Array(SIDE * SIDE).fill(tone)));
      const blank = await ask((await Promise.all(plain)).map((bytes) => ({ b64: bytes.toString('base64') })));
      assert.deepEqual(
        blank.map(({ label }) => label),
        ['none', 'none', 'none'],
      );
    } finally {
      await served.stop();
    }
  });
});

describe('pictures to train on', () => {
  test('are read from packed IDX files, from folders and from a CSV alike', async () => {
    const rows = shapes(12, 3);
    const packed = await read(await idx('packed', { train: rows }, true));
    const place = join(folder.path, 'folders');
    const lines = ['file,label'];
    for (const [index, { label, pixels }] of rows.entries()) {
      await mkdir(join(place, CLASSES[label]!), { recursive: true });
      const file = `${CLASSES[label]}/${String(index).padStart(2, '0')}.png`;
      await writeFile(join(place, file), await png(pixels));
      lines.push(`${file},${CLASSES[label]}`);
    }
    const folders = await read(place);
    await writeFile(join(place, 'list.csv'), lines.join('\n'));
    const list = await read(join(place, 'list.csv'));
    assert.deepEqual([folders.labels, list.labels, packed.labels], [CLASSES, CLASSES, CLASSES]);
    const sorted = ({ train: { pixels, labels } }: typeof packed) =>
      Array.from(
        labels,
        (label, row) => `${label} ${pixels.subarray(row * SIDE * SIDE, (row + 1) * SIDE * SIDE).join()}`,
      ).sort();
    assert.deepEqual(sorted(folders), sorted(packed));
    assert.deepEqual(sorted(list), sorted(packed));
  });

  test('that are none are left out and counted; classes with one picture, too; what is named none is to be refused', async () => {
    const place = join(folder.path, 'mixed');
    const put = async (name: string, bytes: Uint8Array | string) => {
      await mkdir(join(place, name, '..'), { recursive: true });
      await writeFile(join(place, name), bytes);
    };
    for (const [index, { label, pixels }] of shapes(9, 4).entries())
      await put(`${CLASSES[label]}/${index}.png`, await png(pixels));
    await put('box/notes.txt', 'no picture');
    await put('box/broken.png', (await png(shapes(1, 5)[0]!.pixels)).subarray(0, 60));
    await put('box/empty.png', '');
    await put('lone/1.png', await png(shapes(1, 6)[0]!.pixels));
    await put('none/1.png', await png(new Uint8Array(SIDE * SIDE).fill(90)));
    const found = await read(place, { names: undefined });
    assert.deepEqual(found.labels, CLASSES);
    assert.equal(found.train.labels.length, 9);
    assert.equal(found.outside.length, SIDE * SIDE);
    assert.deepEqual(found.dropped.sort(), [
      '1 classes with fewer than 2 pictures: lone',
      '1 files of train are no PNG, JPEG or WebP files',
      '2 files of train can’t be read as pictures',
    ]);
  });

  test('of all kinds of trouble: what is wrong is said', async () => {
    const wrong = async (source: string, why: RegExp, more = {}) =>
      await assert.rejects(read(source, more), (error: Error) => {
        assert.equal(error.name === 'Error' || error.constructor.name === 'DatasetError', true);
        assert.match(error.message, why);
        return true;
      });
    await wrong(join(folder.path, 'nowhere'), /is not there/);
    const place = await idx('bad', { train: shapes(9, 1) });
    const file = join(place, 'train-images-idx3-ubyte');
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, 100));
    await wrong(place, /should have \d+ bytes, and has 100/);
    await writeFile(file, 'not an IDX file at all');
    await wrong(place, /is no IDX file/);
    await writeFile(file, whole);
    await wrong(place, /2 names for 3 classes/, { names: ['a', 'b'] });
    await wrong(place, /and the network sees 28 × 28/, { preprocessing: { ...preprocessing, width: 28, height: 28 } });
    await writeFile(`${file}.gz`, 'x');
    await mkdir(join(folder.path, 'flat'));
    await wrong(join(folder.path, 'flat'), /no folders of pictures/);
    await writeFile(join(folder.path, 'out.csv'), 'file,label\n../../etc/passwd,a');
    await wrong(join(folder.path, 'out.csv'), /line 2: .* is not below the folder/);
    await writeFile(join(folder.path, 'columns.csv'), 'path,class\na,b');
    await wrong(join(folder.path, 'columns.csv'), /needs the columns file,label/);
    await writeFile(join(folder.path, 'one.csv'), 'file,label\nidx/none.png,a');
    await wrong(join(folder.path, 'one.csv'), /at least 2 classes/);
  });
});

test('labels that can’t be: of the test alone, twice the same, none, of one picture', async () => {
  const odd = shapes(9, 1).map((row, index) => (index === 8 ? { ...row, label: 3 } : row));
  await assert.rejects(read(await idx('lone', { train: odd }), { names: undefined }), /class 3 has 1 pictures/);
  const test = [{ label: 5, pixels: shapes(1, 1)[0]!.pixels }];
  const source = await idx('unknown', { train: shapes(9, 1), test });
  await assert.rejects(read(source), /has a class that .* has not/);
  for (const names of [
    ['a', 'a', 'b'],
    ['none', 'a', 'b'],
    ['a', '', 'b'],
  ])
    await assert.rejects(read(source, { names }), /needs a name of its own/);
  const none = await read(await idx('no-test', { train: shapes(9, 1), test: [] }));
  assert.equal(none.test, null);
});

test('folders: links are followed, what is left out is said in the order of the files, and a class may be named train', async () => {
  const place = join(folder.path, 'odd');
  const rows = shapes(6, 7);
  for (const [index, { pixels }] of rows.entries()) {
    const own = join(place, index < 3 ? 'bus' : 'train');
    await mkdir(own, { recursive: true });
    await writeFile(join(own, `${index}.png`), await png(pixels));
  }
  await symlink(join(place, 'bus/0.png'), join(place, 'bus/link.png'));
  await symlink(join(place, 'nowhere.png'), join(place, 'train/lost.png'));
  await writeFile(join(place, 'bus/9.png'), 'broken');
  const found = await read(place, { names: undefined });
  assert.deepEqual([found.labels, found.train.labels.length], [['bus', 'train'], 7]);
  assert.deepEqual(found.dropped, ['1 files of train can’t be read as pictures', '1 files of train are not there']);
});

test('in colours, too: trained, packed, and served as trained', async () => {
  const colours = { ...preprocessing, channels: 3 as const };
  const place = join(folder.path, 'colours');
  const random = new Random(4);
  for (let index = 0; index < 60; index += 1) {
    const kind = ['red', 'blue'][index % 2]!;
    await mkdir(join(place, kind), { recursive: true });
    const pixels = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, at) =>
      Math.max(0, Math.min(255, (at % 3 === (index % 2) * 2 ? 180 : 40) + 30 * random.normal())),
    );
    const bytes = await sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(join(place, kind, `${index}.png`), bytes);
  }
  const dataset = await read(place, { preprocessing: colours, names: undefined });
  const out = join(folder.path, 'colourful/shapes/1');
  const { validation } = await trainPictures({
    ...{ dataset, preprocessing: colours, out, name: 'shapes', version: '1', seed: 1, recipe: quick, giveUp: 0.01 },
    progress: () => undefined,
  });
  assert.equal(validation.accuracyRaw, 1);
  const model = await openPictures(out);
  try {
    assert.equal((await model.classify(await readFile(join(place, 'red/0.png')))).top[0]!.label, 'red');
    assert.equal((await model.classify(await readFile(join(place, 'blue/1.png')))).top[0]!.label, 'blue');
  } finally {
    await model.close();
  }
});

describe('npm run train -- --task image', () => {
  test('trains on photographs of any size, and npm run evaluate says the same of it', async () => {
    const place = join(folder.path, 'photographs');
    const random = new Random(8);
    for (let index = 0; index < 48; index += 1) {
      const kind = index % 2;
      const split = index < 36 ? 'train' : 'test';
      await mkdir(join(place, split, CLASSES[kind]!), { recursive: true });
      const [width, height] = [80 + random.below(60), 80 + random.below(60)];
      const [x, y, size] = [width / 2, height / 2, 22 + random.below(8)];
      const drawn =
        kind === 0
          ? `<rect x="${x - size}" y="${y - size}" width="${2 * size}" height="${2 * size}" fill="#245"/>`
          : `<path d="M${x - size} ${y}H${x + size}M${x} ${y - size}V${y + size}" stroke="#245" stroke-width="12"/>`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#eed"/>${drawn}</svg>`;
      const file = join(place, split, CLASSES[kind]!, `${index}.jpg`);
      await writeFile(file, await sharp(Buffer.from(svg)).jpeg().toBuffer());
    }
    const out = join(folder.path, 'commands/shapes/1.0.0');
    const trained = await run(trainCommand('--task', 'image', '--data', place, '--out', out, '--epochs', '12'));
    assert.equal(trained.code, 0, trained.stderr);
    assert.match(trained.stdout, /2 classes; 3\d pictures to train, \d validation|2 classes; 3\d pictures to train/);
    const evaluated = await run(evaluateCommand('--model', out, '--data', place));
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const { pictures, accuracyRaw } = JSON.parse(evaluated.stdout.trim().split('\n').at(-1)!);
    assert.equal(pictures, 12);
    const { metrics } = JSON.parse(await readFile(join(out, 'model.json'), 'utf8'));
    assert.equal(accuracyRaw, metrics.accuracyRaw);
    assert.ok(accuracyRaw >= 0.8, `${accuracyRaw}`);
  });

  test('says what is wrong in a line', async () => {
    const out = join(folder.path, 'commands/shapes/2.0.0');
    const train = (...more: string[]) => run(trainCommand('--task', 'image', '--out', out, ...more));
    refused(await train(), /trained on pictures: --data/);
    refused(await train('--data', join(folder.path, 'nowhere')), /nowhere is not there/);
    refused(await train('--data', folder.path, '--search', '5'), /--search is for --task text-classification/);
    refused(await train('--data', folder.path, '--epochs', '0'), /--epochs must be a whole number/);
    refused(await run(trainCommand('--out', out, '--epochs', '3')), /--epochs is for --task image/);
  });
});

test('what is drawn to be refused is the same for the same seed, and of many kinds', () => {
  const pixels = Uint8Array.from({ length: SIDE * SIDE * 4 }, (_, at) => at % 251);
  const draw = (seed: number) => nothing(200, SIDE, 1, pixels, new Random(seed));
  const drawn = draw(1);
  assert.deepEqual(draw(1), drawn);
  assert.notDeepEqual(draw(2), drawn);
  const kinds = new Set(
    Array.from({ length: 200 }, (_, row) =>
      draw(1)
        .subarray(row * SIDE * SIDE, (row + 1) * SIDE * SIDE)
        .join(),
    ),
  );
  assert.ok(kinds.size > 150, `${kinds.size}`);
  assert.equal(nothing(5, SIDE, 3, new Uint8Array(0), new Random(1)).length, 5 * SIDE * SIDE * 3);
});
