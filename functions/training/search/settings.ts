import type { Content } from '../../dialog/bot.ts';
import type { Recipe } from '../recipe.ts';
import type { Space } from './plan.ts';

/** Settings of the recipe of an intent model, as a bot keeps them (`recipe.json`). */
export type Settings = NonNullable<Content['recipe']>;

/** What a search tries: each setting with the values that it may take, the smallest first. */
export const choices = {
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
} as const satisfies Space & Record<keyof Settings, readonly number[]>;

/** What the settings are in a recipe; of several networks, in the first. */
export function settingsOf({ cnns, svm, vectors, outsideTimes }: Recipe): Required<Settings> {
  const { smoothing, dropHidden, dropGrams, dropWords, adversarial, epochs, rate } = cnns[0]!;
  const { C, positive } = svm;
  return {
    smoothing,
    dropHidden,
    dropGrams,
    dropWords,
    adversarial,
    epochs,
    rate,
    C,
    positive,
    vectorEpochs: vectors.epochs,
    outsideTimes,
  };
}

/** A recipe with some of its settings otherwise. */
export function varied(recipe: Recipe, { C, positive, vectorEpochs, outsideTimes, ...cnn }: Settings): Recipe {
  return {
    ...recipe,
    vectors: { ...recipe.vectors, epochs: vectorEpochs ?? recipe.vectors.epochs },
    cnns: recipe.cnns.map((options) => ({ ...options, ...cnn })),
    svm: { ...recipe.svm, C: C ?? recipe.svm.C, positive: positive ?? recipe.svm.positive },
    outsideTimes: outsideTimes ?? recipe.outsideTimes,
  };
}
