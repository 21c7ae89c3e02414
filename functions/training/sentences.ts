import type { Encoded } from '../../inference-container/tasks/ngrams.ts';

/**
 * A dense view of an utterance: the weighted mean and the maximum of its words' vectors (each of length 1), both scaled
 * to norm 1. The served graph computes the same (onnx.ts).
 */
export function sentenceVector({ grams, wordWeights }: Encoded, table: Float32Array, dimensions: number): Float32Array {
  const mean = new Float32Array(dimensions);
  const most = new Float32Array(dimensions);
  const word = new Float32Array(dimensions);
  let any = false;
  for (const [place, ids] of grams.entries()) {
    const weight = wordWeights[place]!;
    if (weight === 0) continue;
    word.fill(0);
    for (const id of ids) for (let d = 0; d < dimensions; d += 1) word[d]! += table[id * dimensions + d]!;
    const length = norm(word) || 1;
    for (let d = 0; d < dimensions; d += 1) {
      const value = word[d]! / length;
      mean[d]! += value * weight;
      most[d] = any ? Math.max(most[d]!, value) : value;
    }
    any = true;
  }
  const out = new Float32Array(2 * dimensions);
  for (const [half, part] of [mean, most].entries()) {
    const length = norm(part) || 1;
    for (let d = 0; d < dimensions; d += 1) out[half * dimensions + d] = part[d]! / length;
  }
  return out;
}

function norm(vector: Float32Array): number {
  let square = 0;
  for (const value of vector) square += value * value;
  return Math.sqrt(square);
}
