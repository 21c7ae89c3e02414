import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import cliProgress from 'cli-progress';
import { DatasetError } from '../../functions/training/dataset.ts';
import { poolings } from '../../functions/training/encoder.ts';
import { faqOf } from '../../functions/training/faq.ts';
import { readPictures } from '../../functions/training/image/dataset.ts';
import { imageRecipe } from '../../functions/training/image/recipe.ts';
import { trainPictures } from '../../functions/training/image/train.ts';
import type { Figures } from '../../functions/training/metrics.ts';
import { recipe } from '../../functions/training/recipe.ts';
import { type RetrievalOptions, trainRetrieval } from '../../functions/training/retrieval/train.ts';
import type { Found } from '../../functions/training/search/run.ts';
import { type Settings, varied } from '../../functions/training/search/settings.ts';
import { type TrainOptions, train } from '../../functions/training/train.ts';
import { botFolder, RETAILER } from '../bot/folder.ts';
import { said } from './command.ts';
import { imagePreprocessing } from './pictures.ts';

const HELP = `npm run train -- --out <model folder>: trains an intent model and writes its package

  npm run train -- --out models/intents/1.0.0
  npm run train -- --task retrieval --out models/faq/1.0.0      of the bot's FAQ (faq.json): the model that finds a question's entry

  npm run train -- --task image --data pictures --out models/garments/1.0.0

  --task <task>         text-classification, retrieval, or image
  --bot <folder>        functions/bot; the bot whose utterances it is trained on, as npm start trains it
  --data <file>         in place of a bot: a list of intents (JSON), a CSV with the columns text,intent, or a JSON of splits
                        {train, val, test, oos_train, oos_val, oos_test} with lists of [text, intent]; what is named "none" is out of scope:
                        it is to be refused, and is no intent
                        of pictures: a folder with one folder a class (or such folders in train and test), a CSV with the columns
                        file,label, or a folder of IDX files (Fashion-MNIST); "none" is what is to be refused
  --labels <names>      of the classes of IDX files, with commas between: they have numbers alone
  --epochs <number>     40; of pictures: how often each is seen
  --out <folder>        <repository>/<name>/<version>; a package that is there is replaced when the new one is whole
  --encoder <folder>    a sentence encoder that was trained elsewhere (a Hugging Face folder: model.onnx, tokenizer.json): it joins the
                        ensemble and is served with it; may be given up to 4 times
  --pooling <way>       mean, cls or given: how its vectors are made, where its folder doesn't say
  --background <file>   sentences of other domains, one a line: they make out-of-scope easier to tell
  --seed <number>       1; the same data and seed give the same bytes
  --search <trials>     0; tries settings first, on every core, and trains with the best on validation; the first 11 trials change one
                        setting each. A search that was stopped goes on when the same command is run again
  --seconds <number>    3600; no trial of a search begins after so long
  --give-up <points>    in-scope accuracy, in points, that the threshold may give up on validation: as bot.json says,
                        or 1 with --data
`;

/** Options that not every task has. */
const OF_TASKS: Record<string, string[]> = {
  background: ['text-classification'],
  encoder: ['text-classification', 'retrieval'],
  pooling: ['text-classification', 'retrieval'],
  search: ['text-classification'],
  seconds: ['text-classification'],
  labels: ['image'],
  epochs: ['image'],
};

const values = parse();
const out = resolve(values.out);
const bar = new cliProgress.SingleBar({
  format: 'Training {bar} {percentage}% | {duration_formatted}',
  noTTYOutput: true,
  notTTYSchedule: 5_000,
});
process.once('SIGINT', () => {
  bar.stop();
  console.error('Stopped: no package was written.');
  process.exit(130);
});
try {
  const seed = number(values.seed);
  const giveUp = values['give-up'] === undefined ? values.giveUp : number(values['give-up']) / 100;
  if (!Number.isSafeInteger(seed)) throw new DatasetError('--seed must be a whole number');
  if (!(giveUp >= 0 && giveUp <= 1)) throw new DatasetError('--give-up must be points from 0 to 100');
  const trials = number(values.search ?? '0');
  if (!Number.isInteger(trials) || trials < 0 || trials === 1 || trials > 1_000)
    throw new DatasetError('--search must be 0, or a number of trials from 2 to 1000');
  const seconds = number(values.seconds ?? '3600');
  if (!(seconds > 0)) throw new DatasetError('--seconds must be more than 0');
  const pooling = poolings.find((one) => one === values.pooling);
  if (values.pooling !== undefined && !pooling) throw new DatasetError(`--pooling must be ${poolings.join(', ')}`);
  if ((values.encoder ?? []).length > 4) throw new DatasetError('--encoder may be given 4 times at most');
  bar.start(100, 0);
  if (values.task === 'image') {
    await pictures({ seed, giveUp });
    process.exit(0);
  }
  if (values.task === 'retrieval') {
    await retrieval(values.bot ?? RETAILER, { seed, pooling });
    process.exit(0);
  }
  const options = {
    data: values.data,
    manners: values.manners,
    background: values.background,
    encoders: values.encoder,
    pooling,
    out,
    name: basename(dirname(out)),
    version: basename(out),
    seed,
    giveUp,
    recipe: varied(recipe, values.settings),
    search:
      trials > 0
        ? {
            trials,
            // With a dot in front: a server that watches the repository must not take it for a version.
            file: join(dirname(out), `.${basename(out)}.search.json`),
            seconds,
            progress: (done: number, all: number) => {
              bar.update(0);
              console.log(`\n  search: ${done} of ${all}`);
            },
          }
        : undefined,
  };
  const trained = await train({ ...options, progress: (share) => bar.update(Math.round(share * 100)) });
  bar.update(100);
  bar.stop();
  const { counts, dropped } = trained;
  console.log(
    `\n${trained.labels} intents; ${counts.train} utterances to train, ${validated(counts)}, ${counts.test} for the test, ${counts.outOfScope} out of scope (named none); ${trained.seconds.toFixed(0)} s`,
  );
  for (const line of dropped) console.log(`  left out: ${line}`);
  show('validation', trained.validation);
  if (trained.test) show('test', trained.test);
  if (trained.found) sayFound(trained.found);
  console.log(
    `\nThreshold ${trained.threshold}. Report: ${values.out}/report.md\nServe it:  npm run serve -- ${dirname(dirname(values.out))}`,
  );
} catch (error) {
  bar.stop();
  console.error(said(error));
  process.exit(1);
}

/** Trains a network of pictures. */
async function pictures({ seed, giveUp }: { seed: number; giveUp: number }): Promise<void> {
  const epochs = values.epochs === undefined ? imageRecipe.epochs : number(values.epochs);
  if (!Number.isInteger(epochs) || epochs < 1 || epochs > 1_000)
    throw new DatasetError('--epochs must be a whole number from 1 to 1000');
  const names = values.labels?.split(',').map((name) => name.trim());
  const read = (share: number) => bar.update(Math.round(10 * share));
  const dataset = await readPictures(values.data, { preprocessing: imagePreprocessing, names, progress: read });
  const trained = await trainPictures({
    ...{ dataset, preprocessing: imagePreprocessing, out, seed, giveUp },
    name: basename(dirname(out)),
    version: basename(out),
    recipe: { ...imageRecipe, epochs },
    progress: (share) => bar.update(10 + Math.round(90 * share)),
  });
  bar.update(100);
  bar.stop();
  const { counts, labels, dropped, seconds, bytes } = trained;
  console.log(
    `\n${labels.length} classes; ${counts.train} pictures to train, ${counts.validation} for validation, ${counts.test} for the test, ${counts.outside} of nothing; ${seconds.toFixed(0)} s, ${(bytes / 1e3).toFixed(0)} KB`,
  );
  for (const line of dropped) console.log(`  left out: ${line}`);
  show('validation', trained.validation);
  if (trained.test) show('test', trained.test);
  console.log(
    `\nThreshold ${trained.threshold}. Report: ${values.out}/report.md\nServe it:  npm run serve -- ${dirname(dirname(values.out))}`,
  );
}

/** Trains the model of a bot's FAQ. */
async function retrieval(bot: string, { seed, pooling }: Pick<RetrievalOptions, 'seed' | 'pooling'>): Promise<void> {
  const trained = await trainRetrieval({
    ...faqOf(botFolder(bot)),
    out,
    name: basename(dirname(out)),
    version: basename(out),
    seed,
    encoders: values.encoder,
    pooling,
    progress: (share) => bar.update(Math.round(share * 100)),
  });
  bar.update(100);
  bar.stop();
  const { entries, validation, threshold, seconds } = trained;
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  console.log(
    `\n${entries} entries; ${seconds.toFixed(0)} s. Of each question, asked of a model that had not seen it:`,
  );
  console.log(`  the right entry first ${percent(validation.recallAt1)}, among three ${percent(validation.recallAt3)}`);
  console.log(
    `  over the threshold right ${percent(validation.answered)}, wrong ${percent(validation.wrong)}; of no entry and refused ${percent(validation.refusal)}`,
  );
  console.log(
    `\nThreshold ${threshold}. Report: ${values.out}/report.md\nServe it:  npm run serve -- ${dirname(dirname(values.out))}`,
  );
}

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        data: { type: 'string' },
        out: { type: 'string' },
        background: { type: 'string' },
        encoder: { type: 'string', multiple: true },
        pooling: { type: 'string' },
        seed: { type: 'string', default: '1' },
        search: { type: 'string' },
        seconds: { type: 'string' },
        'give-up': { type: 'string' },
        bot: { type: 'string' },
        task: { type: 'string', default: 'text-classification' },
        labels: { type: 'string' },
        epochs: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const { data, out, bot = data === undefined && values.task !== 'image' ? RETAILER : undefined } = values;
    if (!['text-classification', 'retrieval', 'image'].includes(values.task))
      throw new DatasetError('--task must be text-classification, retrieval or image');
    if (values.task === 'image' && (data === undefined || bot !== undefined) && !values.help)
      throw new DatasetError('--task image is trained on pictures: --data <folder, CSV or IDX files>');
    if (values.task === 'retrieval' && bot === undefined)
      throw new DatasetError('--task retrieval is trained on a bot: --bot <folder>');
    if (data !== undefined && bot !== undefined) throw new DatasetError('--bot or --data: one of them');
    for (const [option, tasks] of Object.entries(OF_TASKS))
      if (values[option as keyof typeof values] !== undefined && !tasks.includes(values.task))
        throw new DatasetError(`--${option} is for --task ${tasks.join(' and ')}`);
    if (!values.help && out && values.task === 'image')
      return { ...values, out, bot, data: data!, giveUp: 0.01, settings: {}, manners: undefined };
    if (!values.help && out) return { ...values, out, bot, ...source(bot, data) };
    console.log(HELP);
    process.exit(values.help ? 0 : 1);
  } catch (error) {
    console.error(said(error));
    process.exit(1);
  }
}

/** What is trained on, and the rule of its threshold: a bot's folder says both. */
function source(
  bot: string | undefined,
  data: string | undefined,
): Pick<TrainOptions, 'giveUp' | 'manners'> & { data: string; settings: Settings } {
  // The utterances of a folder, named by hand, are the folder's.
  const own = bot ?? (data && existsSync(join(dirname(data), 'bot.json')) ? dirname(data) : undefined);
  if (own === undefined) return { data: data!, giveUp: 0.01, settings: {} };
  const { about, languages, recipe: settings = {} } = botFolder(own);
  return { data: join(own, 'intents.json'), giveUp: about.give_up, manners: languages, settings };
}

/** What a search has found, and how to keep it with the bot. */
function sayFound({ settings, compared }: Found): void {
  const percent = (value: number) => `${(100 * value).toFixed(1)}%`;
  const [before, after] = [compared?.before.figures, compared?.after.figures];
  if (!before || !after) console.log('  search: no time was left to judge anything on everything (--seconds)');
  else
    console.log(
      `  search: the recipe as it is ${percent(before.accuracy)}, the best ${percent(after.accuracy)}${Object.keys(settings).length > 0 ? '' : ': no better than chance, not taken'}`,
    );
  if (Object.keys(settings).length === 0) return;
  const whole = JSON.stringify({ ...values.settings, ...settings });
  console.log(`  keep it with the bot, as recipe.json in its folder: ${whole}`);
}

function validated({ validation, folds }: { validation: number; folds: number }): string {
  return folds > 1 ? `each held out once (${folds} parts)` : `${validation} for validation`;
}

/** NaN where nothing is given: `--seed=` is no 0. */
function number(given: string): number {
  return given.trim() ? Number(given) : Number.NaN;
}

function show(split: string, { accuracyRaw, inScopeAccuracy, oosRecall, oosAuroc }: Figures): void {
  const percent = (value: number) => (Number.isFinite(value) ? `${(100 * value).toFixed(1)}%`.padStart(6) : '     –');
  console.log(
    `  ${split.padEnd(10)}  accuracy ${percent(accuracyRaw)}  over the threshold ${percent(inScopeAccuracy)}  out-of-scope recall ${percent(oosRecall)}  AUROC ${percent(oosAuroc)}`,
  );
}
