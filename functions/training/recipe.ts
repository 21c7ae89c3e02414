import { type CnnOptions, cnnDefaults } from './cnn.ts';
import type { HeadOptions } from './head.ts';
import type { SvmOptions } from './svm.ts';
import type { VectorOptions } from './vectors.ts';
import type { Features } from './vocabulary.ts';

/**
 * How a model is trained: n-gram vectors by self-supervision, then subword CNNs that start from them and a linear SVM that
 * sees them beside its sparse features. Logits are standardised, weighted and added.
 * Every number was chosen on the validation split of CLINC150 (docs/understanding.md).
 */
export interface Recipe {
  /** In few utterances a rare feature is all there is, and words' beginnings and any two of them say more; in many they are noise. */
  features: { small: Features; large: Features };
  vectors: VectorOptions;
  cnns: CnnOptions[];
  svm: SvmOptions;
  /** On the vectors of each encoder that a team brings. */
  head: HeadOptions;
  /** Out-of-scope examples count as often as this; of background sentences, this many are taken. */
  outsideTimes: number;
  background: number;
}

export const recipe: Recipe = {
  features: {
    small: {
      least: { word: 1, gram: 1, feature: 1 },
      blocks: [['words', 'pairs'], ['characters'], ['stems'], ['stem pairs']],
    },
    large: { least: { word: 2, gram: 3, feature: 3 }, blocks: [['words', 'pairs'], ['characters']] },
  },
  vectors: { dimensions: 64, epochs: 8, window: 4, negatives: 5, rate: 0.05 },
  cnns: [
    { ...cnnDefaults, adversarial: 0.7, dropHidden: 0.1, smoothing: 0.1 },
    { ...cnnDefaults, adversarial: 1, dropHidden: 0.1, filters: 96 },
  ],
  svm: { C: 1, passes: 8, positive: 2 },
  head: { C: 30, epochs: 12, steps: 2_000, batch: 64, rate: 0.02 },
  outsideTimes: 5,
  background: 3_000,
};
