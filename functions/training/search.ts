import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { choose, type Prepared } from './candidate.ts';
import type { Encoder } from './encoder.ts';
import type { Figures } from './metrics.ts';
import { Random } from './random.ts';
import type { Recipe } from './recipe.ts';

/** What a search tries: each setting with the values it may take. */
const choices = {
  smoothing: [0.05, 0.1, 0.2, 0.3],
  dropHidden: [0, 0.1, 0.2, 0.4],
  dropGrams: [0.2, 0.3, 0.5],
  dropWords: [0, 0.1, 0.2],
  adversarial: [0.3, 0.5, 0.7, 1, 1.4],
  epochs: [10, 16, 24],
  rate: [0.002, 0.003, 0.005],
  C: [0.5, 1, 2],
  positive: [1, 2, 4],
  vectorEpochs: [4, 8, 12],
  outsideTimes: [1, 5, 10],
} as const;

const settings = z.partialRecord(
  z.enum(Object.keys(choices) as [keyof typeof choices, ...(keyof typeof choices)[]]),
  z.number(),
);
type Settings = z.infer<typeof settings>;

const figures = z.object({ accuracyRaw: z.number(), oosAuroc: z.number().nullable() });
const saved = z.object({
  /** Of the data, the seed and the recipe that the trials vary: others' trials are not these. */
  of: z.string(),
  trials: z.array(z.object({ index: z.number(), settings, figures, seconds: z.number() })),
});

/** One training of a search; `settings` empty: the recipe as it is. */
export interface Trial {
  index: number;
  settings: Settings;
  /** On validation. */
  figures: Pick<Figures, 'accuracyRaw'> & { oosAuroc: number | null };
  seconds: number;
}

export interface SearchOptions {
  trials: number;
  seed: number;
  recipe: Recipe;
  encoders?: readonly Encoder[] | undefined;
  /** Where finished trials are kept: a search that was stopped goes on from there. */
  file: string;
  progress(done: number, best: Trial | undefined): void;
}

/** Tries settings, as many trainings at once as there are cores, and gives the recipe of the best on validation. */
export async function search(prepared: Prepared, options: SearchOptions): Promise<{ recipe: Recipe; trials: Trial[] }> {
  const { seed, recipe, file } = options;
  const background = createHash('sha256').update(prepared.background.join('\n')).digest('hex');
  const of = `${prepared.sha256} ${background} ${seed} ${JSON.stringify(recipe)} ${(options.encoders ?? []).map(({ name }) => name).join()}`;
  const trials = (await finished(file, of)).filter(({ index }) => index < options.trials);
  const queue = Array.from({ length: options.trials }, (_, index) => index).filter(
    (index) => !trials.some((trial) => trial.index === index),
  );
  let writing = Promise.resolve();
  const training = { seed, threads: 1, encoders: options.encoders, progress: () => undefined };
  const work = async () => {
    for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
      const started = performance.now();
      const tried = draw(index, seed);
      // One thread a trial: the trials are what runs side by side.
      const { validation } = await choose(prepared, { ...training, recipe: varied(recipe, tried) });
      const { accuracyRaw, oosAuroc } = validation;
      trials.push({
        index,
        settings: tried,
        figures: { accuracyRaw, oosAuroc: Number.isFinite(oosAuroc) ? oosAuroc : null },
        seconds: (performance.now() - started) / 1_000,
      });
      writing = writing.then(() => keep(file, { of, trials }));
      await writing;
      options.progress(trials.length, best(trials));
    }
  };
  options.progress(trials.length, best(trials));
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), queue.length) }, work));
  trials.sort((a, b) => a.index - b.index);
  return { recipe: varied(recipe, best(trials)?.settings ?? {}), trials };
}

/** The best first: accuracy and out-of-scope AUROC count alike, and neither hangs on a threshold. */
export function ranked(trials: readonly Trial[]): Trial[] {
  const score = ({ figures: { accuracyRaw, oosAuroc } }: Trial) => accuracyRaw + (oosAuroc ?? 0);
  return [...trials].sort((a, b) => score(b) - score(a) || a.index - b.index);
}

const best = (trials: Trial[]): Trial | undefined => ranked(trials)[0];

/** The settings of a trial, the same for the same seed; the first is the recipe as it is. */
function draw(index: number, seed: number): Settings {
  if (index === 0) return {};
  const random = new Random(seed * 100_003 + index);
  return Object.fromEntries(
    Object.entries(choices).map(([name, values]) => [name, values[random.below(values.length)]]),
  ) as Settings;
}

function varied(recipe: Recipe, { C, positive, vectorEpochs, outsideTimes, ...cnn }: Settings): Recipe {
  return {
    ...recipe,
    vectors: { ...recipe.vectors, epochs: vectorEpochs ?? recipe.vectors.epochs },
    cnns: recipe.cnns.map((options) => ({ ...options, ...cnn })),
    svm: { ...recipe.svm, C: C ?? recipe.svm.C, positive: positive ?? recipe.svm.positive },
    outsideTimes: outsideTimes ?? recipe.outsideTimes,
  };
}

async function finished(file: string, of: string): Promise<Trial[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return [];
  try {
    const known = saved.parse(JSON.parse(text));
    return known.of === of ? known.trials : [];
  } catch {
    return [];
  }
}

async function keep(file: string, content: z.infer<typeof saved>): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, JSON.stringify(content, null, 1));
  await rename(`${file}.part`, file);
}
