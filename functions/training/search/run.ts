import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Prepared } from '../candidate.ts';
import type { Encoder } from '../encoder.ts';
import type { Recipe } from '../recipe.ts';
import { makeTrial } from './judge.ts';
import { type Attempt, attempts, best, type Effect, effects, expected, type Trial } from './plan.ts';
import { choices, type Settings, settingsOf, varied } from './settings.ts';

const numbers = z.partialRecord(z.enum(Object.keys(choices) as [string, ...string[]]), z.number());
const saved = z.object({
  /** Of the data, the seed and the recipe that the trials vary: others' trials are not these. */
  of: z.string(),
  trials: z.array(
    z.object({
      index: z.number(),
      rung: z.number(),
      settings: numbers,
      figures: z.object({ accuracy: z.number(), auroc: z.number().nullable() }),
      of: z.number(),
      wrong: z.array(z.number()),
      seconds: z.number(),
    }),
  ),
});

export interface SearchOptions {
  trials: number;
  /** After so long no trial begins any more. */
  seconds: number;
  seed: number;
  recipe: Recipe;
  encoders?: readonly Encoder[] | undefined;
  /** Where finished trials are kept: a search that was stopped goes on from there. */
  file: string;
  /** Of about so many, counting each part that a trial is judged on. */
  progress(done: number, all: number): void;
}

/** What a search has found. */
export interface Found {
  /** The best, or the recipe as it is where nothing is better. */
  recipe: Recipe;
  /** What is otherwise in it. */
  settings: Settings;
  /** Both judged on everything; null: no time was left for that. */
  compared: { before: Trial; after: Trial } | null;
  trials: Trial[];
  effects: Effect[];
}

/** Tries settings, as many trainings at once as there are cores. */
export async function search(prepared: Prepared, options: SearchOptions): Promise<Found> {
  const { seed, recipe, file, encoders } = options;
  const background = createHash('sha256').update(prepared.background.join('\n')).digest('hex');
  const how = JSON.stringify([recipe, choices, prepared.manners]);
  const of = `${prepared.sha256} ${background} ${seed} ${how} ${(encoders ?? []).map(({ name }) => name).join()}`;
  const plan = { space: choices, present: settingsOf(recipe), seed, trials: options.trials };
  const trials = (await finished(file, of)).filter(({ index }) => index < options.trials);
  const going = new Map<Attempt, Promise<void>>();
  const until = performance.now() + 1_000 * options.seconds;
  const all = expected(plan);
  // One thread a trial: the trials are what runs side by side.
  const training = { recipe, seed, threads: 1, encoders, progress: () => undefined };
  const make = async (attempt: Attempt) => {
    trials.push(await makeTrial(prepared, attempt, training));
    await keep(file, { of, trials });
    options.progress(trials.length, all);
  };
  options.progress(trials.length, all);
  for (;;) {
    const isTaken = ({ index, rung }: Attempt) => going.keys().some((one) => one.index === index && one.rung === rung);
    const free = performance.now() < until ? attempts(plan, trials).filter((one) => !isTaken(one)) : [];
    for (const attempt of free.slice(0, availableParallelism() - going.size))
      going.set(
        attempt,
        make(attempt).finally(() => going.delete(attempt)),
      );
    if (going.size === 0) break;
    try {
      await Promise.race(going.values());
    } catch (error) {
      // What the others work with is not taken from under them.
      await Promise.allSettled(going.values());
      throw error;
    }
  }
  const compared = best(trials);
  const settings = compared?.better ? compared.after.settings : {};
  return { recipe: varied(recipe, settings), settings, compared, trials, effects: effects(plan, trials) };
}

async function finished(file: string, of: string): Promise<Trial[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return [];
  try {
    const known = saved.parse(JSON.parse(text));
    return known.of === of ? (known.trials as Trial[]) : [];
  } catch {
    return [];
  }
}

let writing = Promise.resolve();

/** One after the other: each is written whole. */
async function keep(file: string, content: { of: string; trials: readonly Trial[] }): Promise<void> {
  const text = JSON.stringify(content, null, 1);
  writing = writing.then(async () => {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.part`, text);
    await rename(`${file}.part`, file);
  });
  await writing;
}
