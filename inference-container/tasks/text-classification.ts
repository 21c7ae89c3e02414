import { classificationOutputs, classify, toTensors } from './classification.ts';
import type { RowTask } from './task.ts';
import { textEncoder, textRows } from './text.ts';

/** Strings in, a label with its score out. Models take what `textEncoder` makes, and give probabilities[batch, classes]. */
export const textClassification: RowTask = {
  ...textRows,
  outputs: classificationOutputs,
  toTensors,
  async createRunner(manifest, folder, inputs) {
    const { labels, threshold } = manifest;
    const encode = await textEncoder(manifest, folder, inputs);
    return { ...encode, results: (outputs, rows) => classify(outputs, rows, labels, threshold) };
  },
};
