import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { recipe } from '../../functions/training/recipe.ts';
import { train } from '../../functions/training/train.ts';
import { latency } from './latency.ts';
import { machine } from './report.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    background: { type: 'string' },
    seeds: { type: 'string', default: '1,2,3' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [file] = positionals;
if (values.help || !file) {
  console.log(
    'npm run bench:intents -- <clinc150 data_full.json> [--background <file>] [--seeds 1,2,3]: trains, evaluates, and sets it beside the published rows',
  );
  process.exit(values.help ? 0 : 1);
}

/** Larson et al., EMNLP 2019, "Full": in-scope accuracy / out-of-scope recall by a threshold on the score. */
const PUBLISHED = [
  ['FastText', '88.6', '28.3'],
  ['SVM', '88.2', '18.0'],
  ['CNN', '90.9', '30.9'],
  ['DialogFlow', '90.8', '26.7'],
  ['Rasa', '90.9', '31.2'],
  ['MLP on a pretrained sentence encoder', '93.4', '49.1'],
  ['BERT (pretrained)', '96.2', '52.3'],
];

const root = join(import.meta.dirname, '../..');
const folder = await mkdtemp(join(tmpdir(), 'maru-intents-'));
const rows: {
  seed: number;
  raw: number;
  inScope: number;
  recall: number;
  auroc: number;
  ece: number;
  seconds: number;
  bytes: number;
  micros: number;
}[] = [];
for (const seed of values.seeds.split(',').map(Number)) {
  const out = join(folder, 'intents', String(seed));
  let last = -1;
  const progress = (share: number) => {
    const percent = Math.floor(share * 10) * 10;
    if (percent !== last) console.log(`  seed ${seed}: ${percent}%`);
    last = percent;
  };
  const { test, seconds } = await train({
    data: file,
    background: values.background,
    out,
    name: 'intents',
    version: String(seed),
    seed,
    recipe,
    giveUp: 0.01,
    progress,
  });
  if (!test) throw new Error('the file has no test split');
  const sizes = await Promise.all(
    (await readdir(out)).filter((name) => /^(model|vocabulary)\./.test(name)).map((name) => stat(join(out, name))),
  );
  rows.push({
    seed,
    raw: test.accuracyRaw,
    inScope: test.inScopeAccuracy,
    recall: test.oosRecall,
    auroc: test.oosAuroc,
    ece: test.ece,
    seconds,
    bytes: sizes.reduce((total, { size }) => total + size, 0),
    micros: await latency(out, file),
  });
  console.log(JSON.stringify(rows.at(-1)));
}
await rm(folder, { recursive: true, force: true });

const mean = (of: (row: (typeof rows)[number]) => number) =>
  rows.reduce((total, row) => total + of(row), 0) / rows.length;
const percent = (value: number) => (100 * value).toFixed(2);
const line = (name: string, of: (get: (row: (typeof rows)[number]) => number) => number) =>
  `| ${name} | ${percent(of((row) => row.raw))} | ${percent(of((row) => row.inScope))} | ${percent(of((row) => row.recall))} | ${percent(of((row) => row.auroc))} | ${percent(of((row) => row.ece))} | ${of((row) => row.seconds).toFixed(0)} | ${(of((row) => row.bytes) / 1e6).toFixed(1)} | ${of((row) => row.micros).toFixed(0)} |`;
const text = [
  '# Intents: CLINC150',
  '',
  `${machine()}. \`npm run bench:intents\`; everything chosen on the validation splits, the test split read once at the end of each training.`,
  'No pretrained weights; the background sentences of the data set are the only other text.',
  '',
  '| | in-scope, no threshold | in-scope at −1 point | out-of-scope recall there | AUROC | calibration error | trains, s | MB | µs an utterance |',
  '|---|---|---|---|---|---|---|---|---|',
  ...rows.map((row) => line(`seed ${row.seed}`, (get) => get(row))),
  line('**mean**', mean),
  '',
  'Published (Larson et al. 2019), a threshold on the score:',
  '',
  '| method | in-scope | out-of-scope recall |',
  '|---|---|---|',
  ...PUBLISHED.map((cells) => `| ${cells.join(' | ')} |`),
  '',
].join('\n');
await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
await writeFile(join(root, 'docs/benchmarks/intents.md'), text);
console.log(text);
