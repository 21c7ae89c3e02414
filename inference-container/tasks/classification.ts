import type { Tensor } from 'onnxruntime-node';
import type { TensorData, TensorMetadata } from '../models/tensor.ts';

/** A prediction of a classification task. */
export interface Classification {
  /** `none` below the threshold. */
  label: string;
  score: number;
  /** The likeliest labels, best first, whatever the threshold. */
  top: { label: string; score: number }[];
}

const TOP = 5;
const NONE = 'none';

export const classificationOutputs: TensorMetadata[] = [
  { name: 'label', datatype: 'BYTES', shape: [-1] },
  { name: 'score', datatype: 'FP32', shape: [-1] },
  { name: 'top_labels', datatype: 'BYTES', shape: [-1, -1] },
  { name: 'top_scores', datatype: 'FP32', shape: [-1, -1] },
];

/** Predictions of a batch from scores[rows, classes] (the model's first output). */
export function classify(
  outputs: Record<string, Tensor>,
  rows: number,
  labels: string[],
  threshold: number,
): Classification[] {
  const { data, dims } = Object.values(outputs)[0]!;
  const scores = data as Float32Array;
  const classes = dims.at(-1) ?? 0;
  return Array.from({ length: rows }, (_, row) => best(scores, row * classes, classes, labels, threshold));
}

export function toTensors(results: unknown[]): Record<string, TensorData> {
  const predictions = results as Classification[];
  const rows = predictions.length;
  const top = predictions[0]?.top.length ?? 0;
  return {
    label: { datatype: 'BYTES', shape: [rows], data: predictions.map(({ label }) => label) },
    score: { datatype: 'FP32', shape: [rows], data: Float32Array.from(predictions, ({ score }) => score) },
    top_labels: {
      datatype: 'BYTES',
      shape: [rows, top],
      data: predictions.flatMap((result) => result.top.map(({ label }) => label)),
    },
    top_scores: {
      datatype: 'FP32',
      shape: [rows, top],
      data: Float32Array.from(predictions.flatMap((result) => result.top.map(({ score }) => score))),
    },
  };
}

/** The best few by insertion: a sort of all classes costs more than the model. */
function best(
  scores: Float32Array,
  from: number,
  classes: number,
  labels: string[],
  threshold: number,
): Classification {
  const places: number[] = [];
  for (let index = 0; index < classes; index += 1) {
    const score = scores[from + index]!;
    if (places.length === TOP && score <= scores[from + places[TOP - 1]!]!) continue;
    let at = places.length;
    while (at > 0 && scores[from + places[at - 1]!]! < score) at -= 1;
    places.splice(at, 0, index);
    if (places.length > TOP) places.pop();
  }
  const top = places.map((index) => ({ label: labels[index] ?? String(index), score: scores[from + index]! }));
  const first = top[0] ?? { label: NONE, score: 0 };
  return { label: first.score < threshold ? NONE : first.label, score: first.score, top };
}
