import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readPictures } from '../../functions/training/image/dataset.ts';
import { type ImageRecipe, imageRecipe } from '../../functions/training/image/recipe.ts';
import { trainPictures } from '../../functions/training/image/train.ts';
import { imagePreprocessing } from '../train/pictures.ts';
import { machine, percentile } from './report.ts';

const FASHION = '/usr/share/datasets/fashion-mnist';
const GARMENTS = 'T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot'.split(',');
const HELP = `npm run bench:pictures -- [folder of IDX files] [--seeds 1,2,3] [--torch <python>] [--keep <folder>] [--write]: trains, evaluates, and sets it beside
the published rows

  [folder]           ${FASHION} (apt-get install dataset-fashion-mnist)
  --seeds <list>     1,2,3
  --torch <python>   a Python with PyTorch (scripts/bench/peers/torch/requirements.txt): the same network is trained there, too
  --keep <folder>    keeps the package of the first seed there
  --write            writes docs/benchmarks/pictures.md
`;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    torch: { type: 'string' },
    write: { type: 'boolean' },
    keep: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

/** Of the data set's own README (Xiao et al. 2017), and of facts that others measured: test accuracy. */
const PUBLISHED = [
  ['people', '83.5'],
  ['multi-layer perceptron', '88.3'],
  ['two convolutions, under 100,000 parameters', '92.5'],
  ['two convolutions with batch normalisation', '93.4'],
  ['DenseNet-BC, 768,000 parameters', '95.4'],
];

const root = join(import.meta.dirname, '../..');
const source = positionals[0] ?? FASHION;
const folder = await mkdtemp(join(tmpdir(), 'maru-pictures-'));
const rows: {
  seed: number;
  accuracy: number;
  refused: number;
  ece: number;
  seconds: number;
  bytes: number;
  micros: number;
}[] = [];
const preprocessing = imagePreprocessing;
const names = source === FASHION ? GARMENTS : undefined;
const dataset = await readPictures(source, { preprocessing, names, progress: () => undefined });
for (const seed of values.seeds.split(',').map(Number)) {
  const out = join(folder, 'garments', String(seed));
  let last = 0;
  const { test, validation, seconds } = await trainPictures({
    ...{
      dataset,
      preprocessing,
      out,
      name: 'garments',
      version: String(seed),
      seed,
      recipe: imageRecipe,
      giveUp: 0.01,
    },
    progress: (share) => {
      if (share < last + 0.1) return;
      last = share;
      console.log(`  seed ${seed}: ${Math.round(100 * share)}%`);
    },
  });
  if (!test) throw new Error('there is no test split');
  let bytes = 0;
  for (const file of await readdir(out)) bytes += (await stat(join(out, file))).size;
  const micros = await latency(await readFile(join(out, 'model.onnx')), dataset.side);
  rows.push({ seed, accuracy: test.accuracyRaw, refused: validation.oosRecall, ece: test.ece, seconds, bytes, micros });
  if (values.keep && rows.length === 1) await cp(out, values.keep, { recursive: true });
  console.log(JSON.stringify(rows.at(-1)));
}
await rm(folder, { recursive: true, force: true });
const peer = values.torch ? await torch(values.torch) : null;

const mean = (of: (row: (typeof rows)[number]) => number) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
const percent = (value: number) => (100 * value).toFixed(2);
const line = (name: string, of: (get: (row: (typeof rows)[number]) => number) => number) =>
  `| ${name} | ${percent(of((row) => row.accuracy))} | ${percent(of((row) => row.refused))} | ${percent(of((row) => row.ece))} | ${of((row) => row.seconds).toFixed(0)} | ${(of((row) => row.bytes) / 1e3).toFixed(0)} | ${of((row) => row.micros).toFixed(0)} |`;
const [count, arithmetic] = [
  (dataset.train.labels.length * 11) / 12,
  flop(imageRecipe, dataset.side, dataset.labels.length),
];
const total = arithmetic * count * imageRecipe.epochs * (1 + imageRecipe.outside);
const text = [
  '# Pictures: Fashion-MNIST',
  '',
  `${machine()}. \`npm run bench:pictures -- --write\`; everything is chosen on pictures that are held out of the training, the test split is read once at the end.`,
  '',
  '| | test accuracy | refused of what is drawn to be | calibration error | trains, s | package, KB | µs a picture |',
  '|---|---|---|---|---|---|---|',
  ...rows.map((row) => line(`seed ${row.seed}`, (get) => get(row))),
  line('**mean**', mean),
  '',
  `The training's arithmetic is ${(total / 1e12).toFixed(1)} TFLOP (${(arithmetic / 1e6).toFixed(1)} MFLOP a picture, ${imageRecipe.epochs} epochs): ${(total / mean((row) => row.seconds) / 1e9).toFixed(1)} GFLOP/s on two cores, all that is no arithmetic in it.`,
  '',
  ...(peer
    ? [
        `The same network in PyTorch ${peer.torch} on the same machine, without pictures of nothing: ${percent(peer.accuracy)} (one seed), ${peer.secondsAnEpoch.toFixed(1)} s an epoch; here ${(mean((row) => row.seconds) / imageRecipe.epochs).toFixed(1)} s with them.`,
        '',
      ]
    : []),
  'Published:',
  '',
  '| | test accuracy |',
  '|---|---|',
  ...PUBLISHED.map((row) => `| ${row.join(' | ')} |`),
  '',
].join('\n');
if (values.write) await writeFile(join(root, 'docs/benchmarks/pictures.md'), text);
console.log(text);

/** Multiplications and additions of a training step a picture: the way there, and twice as much back. */
function flop({ filters: [a, b], hidden }: ImageRecipe, side: number, classes: number): number {
  const first = 2 * side ** 2 * 9 * a;
  const second = 2 * (side / 2) ** 2 * 9 * a * b;
  const dense = 2 * ((side / 4) ** 2 * b * hidden + hidden * classes);
  // Of the first convolution nobody needs the gradient of what it was made of.
  return 2 * first + 3 * second + 3 * dense;
}

/** Median microseconds of one picture alone, by ONNX Runtime on one thread, mirrored as it is served. */
async function latency(model: Uint8Array, side: number): Promise<number> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const image = new Tensor('float32', new Float32Array(side * side), [1, 1, side, side]);
  const times: number[] = [];
  for (let call = 0; call < 1_000; call += 1) {
    const started = performance.now();
    await session.run({ image });
    times.push((performance.now() - started) * 1_000);
  }
  await session.release();
  return percentile(times, 0.5);
}

async function torch(python: string): Promise<{ accuracy: number; secondsAnEpoch: number; torch: string }> {
  const script = join(root, 'scripts/bench/peers/torch/pictures.py');
  const { stdout } = await promisify(execFile)(python, [script, source, String(imageRecipe.epochs), '1']);
  return JSON.parse(stdout);
}
