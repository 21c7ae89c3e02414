/** Scores that mean something: temperature, confidence, threshold. All matrices are [rows, classes], row-major. */

function softmax(logits: ArrayLike<number>, classes: number, temperature = 1): Float32Array {
  const out = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += classes) {
    let top = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (let c = 0; c < classes; c += 1) top = Math.max(top, logits[at + c]!);
    for (let c = 0; c < classes; c += 1) {
      out[at + c] = Math.exp((logits[at + c]! - top) / temperature);
      sum += out[at + c]!;
    }
    for (let c = 0; c < classes; c += 1) out[at + c]! /= sum;
  }
  return out;
}

export interface Standard {
  mean: number;
  scale: number;
}

/** How a member's logits are added to the others': (logit − mean) · scale. */
function standardise(logits: Float32Array): Standard {
  let mean = 0;
  let square = 0;
  for (const value of logits) mean += value / logits.length;
  for (const value of logits) square += (value - mean) ** 2 / logits.length;
  return { mean, scale: 1 / Math.sqrt(square || 1) };
}

export function sum(members: Float32Array[], standards: Standard[]): Float32Array {
  return members[0]!.map((_, index) =>
    members.reduce((total, member, j) => total + (member[index]! - standards[j]!.mean) * standards[j]!.scale, 0),
  );
}

/** Members' weights to choose from. */
const WEIGHTS = [0, 0.25, 0.5, 1];
const WEIGHING_ROWS = 1_500;

/**
 * Standardises members and weighs them: the combination with the least negative log-likelihood on validation, at its own
 * best temperature. On small sets the linear member alone is often best; on large ones all of them are.
 */
export function fitStandards(members: Float32Array[], labels: Int32Array, classes: number): Standard[] {
  const standards = members.map(standardise);
  // Enough to tell them apart, and a bounded time.
  const some = labels.subarray(0, WEIGHING_ROWS);
  const parts = members.map((member) => member.subarray(0, some.length * classes));
  const combinations = members.reduce<number[][]>(
    (all) => all.flatMap((chosen) => WEIGHTS.map((weight) => [...chosen, weight])),
    [[]],
  );
  // Only ratios matter: the greatest weight is 1.
  const distinct = combinations.filter((chosen) => Math.max(...chosen) === 1);
  let best = { loss: Number.POSITIVE_INFINITY, standards };
  for (const chosen of distinct) {
    const weighed = standards.map(({ mean, scale }, index) => ({ mean, scale: scale * chosen[index]! }));
    const total = sum(parts, weighed);
    const loss = logLoss(total, some, classes, fitTemperature(total, some, classes));
    if (loss < best.loss - 1e-9) best = { loss, standards: weighed };
  }
  return best.standards;
}

function logLoss(logits: Float32Array, labels: Int32Array, classes: number, temperature: number): number {
  const probabilities = softmax(logits, classes, temperature);
  return labels.reduce((total, label, row) => total - Math.log(probabilities[row * classes + label]! + 1e-12), 0);
}

/** The temperature with the least negative log-likelihood: golden-section search on its logarithm. */
function fitTemperature(logits: Float32Array, labels: Int32Array, classes: number): number {
  const loss = (x: number) => logLoss(logits, labels, classes, Math.exp(x));
  const ratio = (Math.sqrt(5) - 1) / 2;
  let low = Math.log(0.02);
  let high = Math.log(20);
  for (let round = 0; round < 25; round += 1) {
    const left = high - ratio * (high - low);
    const right = low + ratio * (high - low);
    if (loss(left) < loss(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}

/** confidence = sigmoid(slope · logit(p) + shift), p the softmax at this temperature. */
export interface Confidence {
  temperature: number;
  slope: number;
  shift: number;
}

/** A higher temperature tells out of scope apart better than the calibrated one does. */
const HEAT = 3;

/**
 * A logistic fit, on validation, of "is right" to the logit of the greatest probability at {@link HEAT} times the fitted
 * temperature: calibrated, and in the order that finds out-of-scope best. Newton's method with halving, slope pulled to 1.
 */
export function fitConfidence(logits: Float32Array, labels: Int32Array, classes: number): Confidence {
  const temperature = HEAT * fitTemperature(logits, labels, classes);
  const best = decide(softmax(logits, classes, temperature), classes);
  const points = best.map(({ score }) => logit(score));
  const hits = best.map(({ label }, row) => label === labels[row]);
  const count = hits.filter(Boolean).length;
  // Platt's targets: a few that are all right are no proof.
  const [high, low] = [(count + 1) / (count + 2), 1 / (hits.length - count + 2)];
  const right = hits.map((hit) => (hit ? high : low));
  const loss = (slope: number, shift: number) =>
    points.reduce(
      (total, x, row) => {
        const z = slope * x + shift;
        return total + Math.max(0, z) - right[row]! * z + Math.log1p(Math.exp(-Math.abs(z)));
      },
      0.5e-3 * (slope - 1) ** 2,
    );
  let [slope, shift] = [1, 0];
  let current = loss(slope, shift);
  for (let step = 0; step < 50; step += 1) {
    let [ga, gb, haa, hab, hbb] = [1e-3 * (slope - 1), 0, 1e-3, 0, 1e-6];
    for (const [row, x] of points.entries()) {
      const p = 1 / (1 + Math.exp(-slope * x - shift));
      const error = p - right[row]!;
      const weight = p * (1 - p);
      ga += error * x;
      gb += error;
      haa += weight * x * x;
      hab += weight * x;
      hbb += weight;
    }
    const determinant = haa * hbb - hab * hab;
    const da = (hbb * ga - hab * gb) / determinant;
    const db = (haa * gb - hab * ga) / determinant;
    let size = 1;
    while (size > 1e-6 && !(loss(slope - size * da, shift - size * db) < current)) size /= 2;
    if (size <= 1e-6) break;
    slope -= size * da;
    shift -= size * db;
    current = loss(slope, shift);
  }
  return { temperature, slope, shift };
}

function logit(p: number): number {
  return Math.log(Math.max(p, 1e-9) / Math.max(1 - p, 1e-9));
}

/** The best label and its score of each row. */
function decide(scores: Float32Array, classes: number): { label: number; score: number }[] {
  return Array.from({ length: scores.length / classes }, (_, row) => {
    let label = 0;
    for (let c = 1; c < classes; c += 1) if (scores[row * classes + c]! > scores[row * classes + label]!) label = c;
    return { label, score: scores[row * classes + label]! };
  });
}
