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

const WEIGHING_ROWS = 1_500;
/** How strongly weights are pulled to what each member knows by itself: a few rows that the sum has right say nothing about them. */
const PULL = 0.5;

/**
 * Standardises members and weighs them: the weights ≥ 0 with the least negative log-likelihood of the softmax of their sum, which is a
 * convex problem; Newton's method on those that are not held at 0. On small sets the linear member alone is often best; on large ones
 * all of them are.
 */
export function fitStandards(members: Float32Array[], labels: Int32Array, classes: number): Standard[] {
  const standards = members.map(standardise);
  // Enough to tell them apart, and a bounded time.
  const some = labels.subarray(0, WEIGHING_ROWS);
  const parts = members.map((member, j) =>
    member.subarray(0, some.length * classes).map((value) => (value - standards[j]!.mean) * standards[j]!.scale),
  );
  const known = direction(parts.map((part) => information(part, some, classes)));
  let weights = known;
  let loss = weightedLoss(parts, weights, known, some, classes);
  for (let step = 0; step < 60; step += 1) {
    const { gradient, hessian } = slopes(parts, weights, known, some, classes);
    // What stands at 0 and wants to go below stays there.
    const free = weights.flatMap((weight, j) => (weight > 0 || gradient[j]! < 0 ? [j] : []));
    const move = solve(
      free.map((i) => free.map((j) => hessian[i]![j]!)),
      free.map((i) => gradient[i]!),
    );
    let size = 1;
    let next = weights;
    let nextLoss = loss;
    for (; size > 1e-6; size /= 2) {
      next = weights.map((weight, j) => {
        const at = free.indexOf(j);
        return at < 0 ? weight : Math.max(0, weight - size * move[at]!);
      });
      nextLoss = weightedLoss(parts, next, known, some, classes);
      if (nextLoss < loss) break;
    }
    if (size <= 1e-6 || loss - nextLoss < 1e-7 * Math.abs(loss)) break;
    [weights, loss] = [next, nextLoss];
  }
  // Only ratios matter: the greatest weight is 1, and what is far below it is not worth its time.
  const most = Math.max(...weights);
  return standards.map(({ mean, scale }, j) => {
    const weight = most > 0 ? weights[j]! / most : 1;
    return { mean, scale: weight < LEAST_WEIGHT ? 0 : scale * weight };
  });
}

const LEAST_WEIGHT = 0.05;

/** How much a member tells by itself, at its best temperature: 0 nothing, 1 all there is to know. */
function information(logits: Float32Array, labels: Int32Array, classes: number): number {
  const loss = logLoss(logits, labels, classes, fitTemperature(logits, labels, classes));
  return Math.max(0, 1 - loss / (labels.length * Math.log(classes)));
}

/** The vector of length 1 that points as this one does. */
function direction(vector: number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => (length > 0 ? value / length : 1 / Math.sqrt(vector.length)));
}

function weightedLoss(
  parts: Float32Array[],
  weights: number[],
  known: number[],
  labels: Int32Array,
  classes: number,
): number {
  const total = parts[0]!.map((_, place) => parts.reduce((sum, part, j) => sum + weights[j]! * part[place]!, 0));
  const apart = away(weights, known).reduce((sum, value) => sum + value ** 2, 0);
  return logLoss(total, labels, classes, 1) + (PULL / 2) * apart;
}

/** What of the weights does not point to what the members know. */
function away(weights: number[], known: number[]): number[] {
  const along = weights.reduce((sum, weight, j) => sum + weight * known[j]!, 0);
  return weights.map((weight, j) => weight - along * known[j]!);
}

/** First and second derivatives of {@link weightedLoss} by the weights. */
function slopes(parts: Float32Array[], weights: number[], known: number[], labels: Int32Array, classes: number) {
  const count = parts.length;
  const gradient = new Array<number>(count).fill(0);
  const hessian = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  const total = parts[0]!.map((_, place) => parts.reduce((sum, part, j) => sum + weights[j]! * part[place]!, 0));
  const probabilities = softmax(total, classes);
  for (const [row, label] of labels.entries()) {
    const from = row * classes;
    const means = parts.map((part) => {
      let mean = 0;
      for (let c = 0; c < classes; c += 1) mean += probabilities[from + c]! * part[from + c]!;
      return mean;
    });
    for (let i = 0; i < count; i += 1) {
      gradient[i]! += means[i]! - parts[i]![from + label]!;
      for (let j = 0; j <= i; j += 1) {
        let product = 0;
        for (let c = 0; c < classes; c += 1)
          product += probabilities[from + c]! * parts[i]![from + c]! * parts[j]![from + c]!;
        hessian[i]![j]! += product - means[i]! * means[j]!;
      }
    }
  }
  const apart = away(weights, known);
  for (let i = 0; i < count; i += 1) {
    gradient[i]! += PULL * apart[i]!;
    for (let j = 0; j <= i; j += 1) {
      hessian[i]![j]! += PULL * ((i === j ? 1 : 0) - known[i]! * known[j]!) + (i === j ? 1e-6 : 0);
      hessian[j]![i] = hessian[i]![j]!;
    }
  }
  return { gradient, hessian };
}

/** x of matrix · x = right, by Gauss with pivots; the matrix is small and positive. */
export function solve(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (let i = 0; i < rows.length; i += 1) {
    const pivot = rows.reduce(
      (best, row, at) => (at >= i && Math.abs(row[i]!) > Math.abs(rows[best]![i]!) ? at : best),
      i,
    );
    [rows[i], rows[pivot]] = [rows[pivot]!, rows[i]!];
    for (const [at, row] of rows.entries()) {
      if (at === i) continue;
      const factor = row[i]! / (rows[i]![i]! || 1e-12);
      for (let j = i; j < row.length; j += 1) row[j]! -= factor * rows[i]![j]!;
    }
  }
  return rows.map((row, i) => row[rows.length]! / (row[i]! || 1e-12));
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

/** Where all are right nothing speaks for a slope, and a flat or a falling one would turn the order of labels round. */
const LEAST_SLOPE = 0.2;

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
    const free = slope > LEAST_SLOPE || ga < 0;
    const da = free ? (hbb * ga - hab * gb) / determinant : 0;
    const db = free ? (haa * gb - hab * ga) / determinant : gb / hbb;
    const moved = (size: number): [number, number] => [Math.max(LEAST_SLOPE, slope - size * da), shift - size * db];
    let size = 1;
    while (size > 1e-6 && !(loss(...moved(size)) < current)) size /= 2;
    if (size <= 1e-6) break;
    [slope, shift] = moved(size);
    current = loss(slope, shift);
  }
  return { temperature, slope, shift };
}

/** The label and the score that the served model gives, of logits that are summed already. */
export function judge(
  logits: Float32Array,
  classes: number,
  { temperature, slope, shift }: Confidence,
): { label: number; score: number }[] {
  return decide(softmax(logits, classes, temperature), classes).map(({ label, score }) => ({
    label,
    score: 1 / (1 + Math.exp(-slope * logit(Math.min(score, 1 - 1e-7)) - shift)),
  }));
}

function logit(p: number): number {
  return Math.log(Math.max(p, 1e-9) / Math.max(1 - p, 1e-9));
}

/** The best label of each row. */
export function labelsOf(logits: Float32Array, classes: number): number[] {
  return decide(logits, classes).map(({ label }) => label);
}

/** The best label and its score of each row. */
function decide(scores: Float32Array, classes: number): { label: number; score: number }[] {
  return Array.from({ length: scores.length / classes }, (_, row) => {
    let label = 0;
    for (let c = 1; c < classes; c += 1) if (scores[row * classes + c]! > scores[row * classes + label]!) label = c;
    return { label, score: scores[row * classes + label]! };
  });
}
