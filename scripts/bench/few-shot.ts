import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { recipe } from '../../functions/training/recipe.ts';
import { train } from '../../functions/training/train.ts';
import { latency } from './latency.ts';
import { machine } from './report.ts';

const HELP = `npm run bench:few-shot -- <data folder> [--encoders <folder>]: intents from 5, 10 and 20 utterances each, and from all there are

  <data folder>         holds clinc150/, clinc150-few-shot/, hwu64/ and 3i4k/, as their collections have them
  --encoders <folder>   holds encoders as scripts/bench/encoders/fetch.sh writes them: minilm/ and use-multilingual/
  --sets <names>        of them, in place of all
  --with <variants>     of them (none, minilm, use-multilingual, both), in place of all
  --seeds 1,2,3         trainings of each row

What was measured is kept in .local/bench/few-shot.json: a run that was stopped goes on, and the table is of all there is.
`;

/** What is trained on, which of the encoders know its language, and the aims of the issue: without, with encoders. */
const SETS = [
  { name: 'CLINC150, 5 an intent', file: 'clinc150-few-shot/5.json', published: '90.5 (USE + ConveRT)' },
  { name: 'CLINC150, 10 an intent', file: 'clinc150-few-shot/10.json', published: '93.3 (USE + ConveRT)' },
  { name: 'CLINC150, 20 an intent', file: 'clinc150-few-shot/20.json', published: '' },
  { name: 'CLINC150, all', file: 'clinc150/data_full.json', published: '96.9 (BERT, fine-tuned)' },
  { name: 'HWU64, 5 an intent', file: 'hwu64/5.json', published: '80.0 (USE + ConveRT)' },
  { name: 'HWU64, 10 an intent', file: 'hwu64/10.json', published: '85.8 (USE + ConveRT)' },
  { name: 'HWU64, all', file: 'hwu64/full.json', published: '92.6 (USE + ConveRT)' },
  { name: '3i4K, 8,000 (Korean)', file: '3i4k/8k.json', published: '', korean: true },
  { name: '3i4K, all (Korean)', file: '3i4k/full.json', published: '90 (KLUE-RoBERTa-small)', korean: true },
];
const VARIANTS: Record<string, string[]> = {
  none: [],
  minilm: ['minilm'],
  'use-multilingual': ['use-multilingual'],
  both: ['minilm', 'use-multilingual'],
};

const measured = z.object({
  set: z.string(),
  variant: z.string(),
  seed: z.number(),
  accuracy: z.number(),
  inScope: z.number(),
  recall: z.number().nullable(),
  seconds: z.number(),
  megabytes: z.number(),
  micros: z.number(),
});
type Measured = z.infer<typeof measured>;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    encoders: { type: 'string' },
    sets: { type: 'string' },
    with: { type: 'string' },
    seeds: { type: 'string', default: '1,2,3' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [data] = positionals;
if (values.help || !data) {
  console.log(HELP);
  process.exit(values.help ? 0 : 1);
}
const root = join(import.meta.dirname, '../..');
const kept = join(root, '.local/bench/few-shot.json');
const rows: Measured[] = existsSync(kept) ? z.array(measured).parse(JSON.parse(await readFile(kept, 'utf8'))) : [];
const folder = await mkdtemp(join(tmpdir(), 'maru-few-shot-'));
const wanted = values.sets?.split(',');
for (const seed of values.seeds.split(',').map(Number))
  for (const { name, file, korean } of SETS)
    for (const [variant, encoders] of Object.entries(VARIANTS)) {
      if (wanted && !wanted.some((one) => file.startsWith(one))) continue;
      if (values.with && !values.with.split(',').includes(variant)) continue;
      if (encoders.length > 0 && !values.encoders) continue;
      // An English encoder knows no Korean.
      if (korean && encoders.includes('minilm')) continue;
      if (rows.some((row) => row.set === name && row.variant === variant && row.seed === seed)) continue;
      rows.push(await measure({ name, file, variant, encoders, seed }));
      await mkdir(dirname(kept), { recursive: true });
      await writeFile(kept, JSON.stringify(rows, null, 1));
      console.log(JSON.stringify(rows.at(-1)));
    }
await rm(folder, { recursive: true, force: true });
const report = table();
await writeFile(join(root, 'docs/benchmarks/few-shot.md'), report);
console.log(report);

async function measure(given: {
  name: string;
  file: string;
  variant: string;
  encoders: string[];
  seed: number;
}): Promise<Measured> {
  const out = join(folder, 'intents', '1');
  const path = join(data!, given.file);
  const background =
    given.file === 'clinc150/data_full.json' ? join(data!, 'clinc150/background_sentences.txt') : undefined;
  const { test, seconds } = await train({
    data: path,
    background,
    encoders: given.encoders.map((name) => join(values.encoders!, name)),
    out,
    name: 'intents',
    version: '1',
    seed: given.seed,
    recipe,
    giveUp: 0.01,
    progress: () => undefined,
  });
  if (!test) throw new Error(`${path} has no test split`);
  const served = (await readdir(out)).filter((name) => !name.startsWith('report') && !name.endsWith('.svg'));
  const sizes = await Promise.all(served.map((name) => stat(join(out, name))));
  return {
    set: given.name,
    variant: given.variant,
    seed: given.seed,
    accuracy: test.accuracyRaw,
    inScope: test.inScopeAccuracy,
    recall: Number.isFinite(test.oosRecall) ? test.oosRecall : null,
    seconds,
    megabytes: sizes.reduce((total, { size }) => total + size, 0) / 1e6,
    micros: await latency(out, path),
  };
}

function table(): string {
  const mean = (list: number[]) => list.reduce((total, value) => total + value, 0) / list.length;
  const percent = (value: number) => (100 * value).toFixed(1);
  const lines = SETS.flatMap(({ name, published }) =>
    Object.keys(VARIANTS).flatMap((variant) => {
      const own = rows.filter((row) => row.set === name && row.variant === variant);
      if (own.length === 0) return [];
      const recalls = own.flatMap(({ recall }) => recall ?? []);
      const of = (get: (row: Measured) => number) => mean(own.map(get));
      const accuracies = own.map(({ accuracy }) => accuracy);
      return [
        `| ${[
          name,
          variant === 'none' ? 'no pretrained weights' : variant,
          `**${percent(mean(accuracies))}** (${percent(Math.min(...accuracies))}–${percent(Math.max(...accuracies))}, ${own.length})`,
          percent(of(({ inScope }) => inScope)),
          recalls.length > 0 ? percent(mean(recalls)) : '–',
          of(({ seconds }) => seconds).toFixed(0),
          of(({ megabytes }) => megabytes).toFixed(1),
          (of(({ micros }) => micros) / 1_000).toFixed(2),
          published,
        ].join(' | ')} |`,
      ];
    }),
  );
  return [
    '# Intents from few utterances, and with an encoder',
    '',
    `${machine()}. \`npm run bench:few-shot\`; nothing was chosen on the test splits. In brackets: the least and the most, and how many seeds.`,
    'minilm is all-MiniLM-L6-v2 (English, int8), use-multilingual Universal Sentence Encoder multilingual v3 (16 languages), both as PyPI',
    'packages carry them (`scripts/bench/encoders/fetch.sh`). Where there are fewer than 20 utterances an intent, its name is one more: the',
    'published rows have no such name.',
    '',
    '| data | with | accuracy | over the threshold (−1 point) | out of scope found there | trains, s | MB | ms an utterance | published |',
    '|---|---|---|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}
