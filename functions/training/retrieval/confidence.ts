import { solve } from '../calibration.ts';

/**
 * score = sigmoid(slope · margin + lead · (margin − the best other one) + syllabic · share + shift), the share being that of features of
 * Hangul, Kana and Han in a text: they are cut otherwise than letters, and a margin means something else there.
 */
export interface Confidence {
  slope: number;
  lead: number;
  syllabic: number;
  shift: number;
}

/** What was found for one text: the best margin, how far it is ahead, the share of syllabic features, whether it is right, and how much the text counts. */
export interface Found {
  margin: number;
  ahead: number;
  syllabic: number;
  right: boolean;
  weight: number;
}

/** How strongly the factors are pulled to zero. */
const PULL = 1e-3;
const STEPS = 50;

/** Logistic regression of "is right" to the margin and the lead, by Newton's method; neither factor is negative: a greater margin is never less likely. */
export function fitConfidence(found: readonly Found[]): Confidence {
  let at = [0, 0, 0, 0];
  const held = new Set<number>();
  const total = found.reduce((sum, { weight }) => sum + weight, 0);
  for (let step = 0; step < STEPS; step += 1) {
    const pulls = [PULL, PULL, PULL, 1e-9];
    const gradient = at.map((value, i) => pulls[i]! * value);
    const hessian = at.map((_, i) => at.map((_, j) => (i === j ? pulls[i]! : 0)));
    for (const { margin, ahead, syllabic, right, weight } of found) {
      const x = [margin, ahead, syllabic, 1];
      const p = 1 / (1 + Math.exp(-x.reduce((sum, value, i) => sum + value * at[i]!, 0)));
      const share = weight / total;
      for (const [i, value] of x.entries()) {
        gradient[i]! += share * (p - Number(right)) * value;
        for (const [j, other] of x.entries()) hessian[i]![j]! += share * Math.max(p * (1 - p), 1e-6) * value * other;
      }
    }
    for (const i of held) {
      for (const j of at.keys()) hessian[i]![j] = hessian[j]![i] = i === j ? 1 : 0;
      gradient[i] = 0;
    }
    const move = solve(hessian, gradient);
    const next = at.map((value, i) => value - move[i]!);
    for (const i of [0, 1])
      if (next[i]! < 0) {
        next[i] = 0;
        held.add(i);
      }
    const moved = Math.max(...next.map((value, i) => Math.abs(value - at[i]!)));
    at = next;
    if (moved < 1e-8) break;
  }
  const [slope, lead, syllabic, shift] = at as [number, number, number, number];
  return { slope, lead, syllabic, shift };
}

export function confidenceOf(
  { slope, lead, syllabic, shift }: Confidence,
  found: Pick<Found, 'margin' | 'ahead' | 'syllabic'>,
): number {
  return 1 / (1 + Math.exp(-(slope * found.margin + lead * found.ahead + syllabic * found.syllabic + shift)));
}
