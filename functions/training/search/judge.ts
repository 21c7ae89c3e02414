import { choose, type Prepared, type Training, thinned } from '../candidate.ts';
import { type Attempt, RUNGS, type Trial } from './plan.ts';
import { type Settings, varied } from './settings.ts';

/** Parts of the folds of few utterances, and of the utterances where only one part is held out, by the rung. */
const FOLDS = [0.2, 0.4, 1];
const UTTERANCES = [0.25, 0.5, 1];

/** Makes a trial: trains a recipe on as much as its rung says, and judges it on what was held out. The same for the same seed. */
export async function makeTrial(prepared: Prepared, attempt: Attempt, training: Training): Promise<Trial> {
  const started = performance.now();
  const recipe = varied(training.recipe, attempt.settings as Settings);
  const folds = partOf(prepared.folds, attempt.rung);
  const { validation, judgedValidation } = await choose({ ...prepared, folds }, { ...training, recipe });
  const { accuracyRaw, oosAuroc } = validation;
  return {
    ...attempt,
    figures: { accuracy: accuracyRaw, auroc: Number.isFinite(oosAuroc) ? oosAuroc : null },
    of: judgedValidation.inside.length,
    wrong: judgedValidation.inside.flatMap(({ label, intent }, place) => (label === intent ? [] : [place])),
    seconds: (performance.now() - started) / 1_000,
  };
}

function partOf(folds: Prepared['folds'], rung: number): Prepared['folds'] {
  const last = rung === RUNGS - 1;
  if (folds.length > 1)
    return folds.slice(0, last ? folds.length : Math.max(1, Math.round(FOLDS[rung]! * folds.length)));
  return folds.map(({ train, held }) => ({ train: last ? train : thinned(train, UTTERANCES[rung]!), held }));
}
