/** Figures of a text classifier. A prediction has the best label and its score, whatever the threshold. */
export interface Prediction {
  label: string;
  score: number;
}

export interface Figures {
  /** In-scope accuracy without a threshold. */
  accuracyRaw: number;
  /** In-scope utterances that are right and over the threshold. */
  inScopeAccuracy: number;
  /** Out-of-scope utterances under the threshold; NaN without any. */
  oosRecall: number;
  /** How well the score tells in-scope from out-of-scope, whatever the threshold; NaN without any. */
  oosAuroc: number;
  macroF1: number;
  /** Expected calibration error: |confidence − accuracy|, over 15 bins of the score. */
  ece: number;
}

export function figures(
  inside: (Prediction & { intent: string })[],
  outside: Prediction[],
  threshold: number,
): Figures {
  const right = inside.filter(({ label, intent }) => label === intent);
  return {
    accuracyRaw: right.length / inside.length,
    inScopeAccuracy: right.filter(({ score }) => score >= threshold).length / inside.length,
    oosRecall: outside.filter(({ score }) => score < threshold).length / outside.length,
    oosAuroc: auroc(
      inside.map(({ score }) => score),
      outside.map(({ score }) => score),
    ),
    macroF1: macroF1(inside),
    ece: calibrationError(inside),
  };
}

/** The highest threshold that gives up at most a share of the in-scope accuracy. */
export function thresholdFor(inside: (Prediction & { intent: string })[], giveUp: number): number {
  const scores = inside.filter(({ label, intent }) => label === intent).map(({ score }) => score);
  return scores.sort((a, b) => a - b)[Math.floor(giveUp * inside.length + 1e-9)] ?? 1;
}

/** What a threshold costs and brings. */
export interface TradeOff {
  /** In-scope accuracy that it gives up. */
  giveUp: number;
  threshold: number;
  /** In scope: right and over it, wrong and over it. */
  right: number;
  wrong: number;
  /** Out of scope under it; NaN without any. */
  oosRecall: number;
}

const GIVEN_UP = [0, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15];

/** The choice that a threshold is: what is given up of the in-scope accuracy, and what is found of the rest. */
export function tradeOff(inside: (Prediction & { intent: string })[], outside: Prediction[]): TradeOff[] {
  return GIVEN_UP.map((giveUp) => {
    const threshold = thresholdFor(inside, giveUp);
    const over = inside.filter(({ score }) => score >= threshold);
    const right = over.filter(({ label, intent }) => label === intent).length;
    return {
      giveUp,
      threshold,
      right: right / inside.length,
      wrong: (over.length - right) / inside.length,
      oosRecall: outside.filter(({ score }) => score < threshold).length / outside.length,
    };
  });
}

/** The chance that an in-scope utterance has the higher score (Mann–Whitney U, ties count half). */
function auroc(inside: number[], outside: number[]): number {
  if (inside.length === 0 || outside.length === 0) return Number.NaN;
  const all = [
    ...inside.map((score) => ({ score, own: true })),
    ...outside.map((score) => ({ score, own: false })),
  ].sort((a, b) => a.score - b.score);
  let ranks = 0;
  for (let from = 0; from < all.length; ) {
    let to = from;
    while (to < all.length && all[to]!.score === all[from]!.score) to += 1;
    const rank = (from + to + 1) / 2;
    for (; from < to; from += 1) if (all[from]!.own) ranks += rank;
  }
  return (ranks - (inside.length * (inside.length + 1)) / 2) / (inside.length * outside.length);
}

/** Mean of each intent's F1. */
function macroF1(rows: (Prediction & { intent: string })[]): number {
  const intents = [...new Set(rows.map(({ intent }) => intent))];
  const scores = intents.map((intent) => {
    const hits = rows.filter((row) => row.intent === intent && row.label === intent).length;
    const given = rows.filter((row) => row.intent === intent).length;
    const said = rows.filter((row) => row.label === intent).length;
    return (2 * hits) / (given + said);
  });
  return scores.reduce((total, score) => total + score, 0) / scores.length;
}

const BINS = 15;

function calibrationError(rows: (Prediction & { intent: string })[]): number {
  return bins(rows).reduce((total, bin) => total + Math.abs(bin.right - bin.confidence), 0) / rows.length;
}

/** For each bin of the score: utterances, how many are right, and the sum of their scores. */
export function bins(
  rows: (Prediction & { intent: string })[],
): { count: number; right: number; confidence: number }[] {
  const found = Array.from({ length: BINS }, () => ({ count: 0, right: 0, confidence: 0 }));
  for (const { label, intent, score } of rows) {
    const bin = found[Math.min(BINS - 1, Math.floor(score * BINS))]!;
    bin.count += 1;
    bin.right += label === intent ? 1 : 0;
    bin.confidence += score;
  }
  return found;
}
