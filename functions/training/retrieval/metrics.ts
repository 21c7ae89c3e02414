import type { Example } from '../dataset.ts';

/** A question that was held out, or a text of no entry: the best entry, its score, and the right one. */
export interface HeldOut extends Example {
  label: string;
  score: number;
  /** Place of the right entry, from 1; 0 for a text of none. */
  rank: number;
}

/** Figures of a model that finds the entry of a question. */
export interface RetrievalFigures {
  /** Share of the questions whose entry is the first, among the first three. */
  recallAt1: number;
  recallAt3: number;
  /** Mean of 1 / place of the right entry. */
  mrr: number;
  /** Questions whose entry is the first and over the threshold; whose first is another and over it. */
  answered: number;
  wrong: number;
  /** Texts of no entry that are under the threshold. */
  refusal: number;
}

/** `rank` 0 is a text of no entry. */
export function retrievalFigures(
  judged: readonly Pick<HeldOut, 'rank' | 'score'>[],
  threshold: number,
): RetrievalFigures {
  const asked = judged.filter(({ rank }) => rank > 0);
  const strange = judged.filter(({ rank }) => rank === 0);
  const share = (of: (one: Pick<HeldOut, 'rank' | 'score'>) => boolean) => asked.filter(of).length / asked.length;
  return {
    recallAt1: share(({ rank }) => rank === 1),
    recallAt3: share(({ rank }) => rank <= 3),
    mrr: asked.reduce((sum, { rank }) => sum + 1 / rank, 0) / asked.length,
    answered: share(({ rank, score }) => rank === 1 && score >= threshold),
    wrong: share(({ rank, score }) => rank > 1 && score >= threshold),
    refusal: strange.filter(({ score }) => score < threshold).length / strange.length,
  };
}

export interface TrainedRetriever {
  entries: number;
  /** Of every question that an entry has, asked of a model that had not seen it. */
  validation: RetrievalFigures;
  threshold: number;
  seconds: number;
}
