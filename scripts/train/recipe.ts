import { type CnnOptions, cnnDefaults } from './cnn.ts';
import type { InventionOptions } from './invention.ts';
import type { SvmOptions } from './svm.ts';
import type { VectorOptions } from './vectors.ts';
import type { Least } from './vocabulary.ts';

/**
 * How a model is trained: vectors by self-supervision; teachers; students that learn from the teachers' judgement of the
 * training utterances and of invented ones. The students and the SVM are served, their logits standardised and added.
 * Every number was chosen on the validation split of CLINC150 (docs/understanding.md).
 */
export interface Recipe {
  least: Least;
  vectors: VectorOptions;
  teachers: CnnOptions[];
  svm: SvmOptions;
  invention: InventionOptions;
  /** The teachers' judgement is softened: their calibrated temperature times this. */
  softness: number;
  students: (CnnOptions & { trust: number })[];
  /** Out-of-scope examples count as often as this; of background sentences, this many are taken. */
  outsideTimes: number;
  background: number;
}

export const recipe: Recipe = {
  least: { word: 2, gram: 3, feature: 3 },
  vectors: { dimensions: 64, epochs: 8, window: 4, negatives: 5, rate: 0.05 },
  teachers: [
    { ...cnnDefaults, adversarial: 0.7, dropHidden: 0.1, smoothing: 0.1 },
    { ...cnnDefaults, adversarial: 1, dropHidden: 0.1, filters: 96 },
  ],
  svm: { C: 1, passes: 8, positive: 2 },
  invention: { rounds: 2, dropShare: 0.4, drop: 0.15 },
  softness: 1.5,
  students: [
    { ...cnnDefaults, adversarial: 0.5, dropHidden: 0.1, epochs: 8, trust: 0.7 },
    { ...cnnDefaults, adversarial: 0.5, dropHidden: 0.1, epochs: 8, trust: 0.7 },
  ],
  outsideTimes: 5,
  background: 3_000,
};
