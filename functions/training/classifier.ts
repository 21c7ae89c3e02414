import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, type Tensor } from 'onnxruntime-node';
import { manifest as manifestSchema } from '../../inference-container/models/manifest.ts';
import type { Classification } from '../../inference-container/tasks/classification.ts';
import { type Encoded, NgramEncoder, type Vocabulary } from '../../inference-container/tasks/ngrams.ts';
import { retrieval } from '../../inference-container/tasks/retrieval.ts';
import { ngramFeeds } from '../../inference-container/tasks/text.ts';
import { textClassification } from '../../inference-container/tasks/text-classification.ts';

const BATCH = 32;
const session = (model: Uint8Array | string) =>
  typeof model === 'string'
    ? InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 })
    : InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });

/** Runs a model on utterances, in batches, by ONNX Runtime: what the trainer measures is what is served. */
export async function memberLogits(
  model: Uint8Array,
  vocabulary: Vocabulary,
  utterances: string[][],
  members: number,
): Promise<Float32Array[]> {
  const encoder = new NgramEncoder(vocabulary);
  const loaded = await session(model);
  const parts: number[][] = Array.from({ length: members }, () => []);
  for (let from = 0; from < utterances.length; from += BATCH) {
    const rows: Encoded[] = utterances.slice(from, from + BATCH).map((words) => encoder.encodeWords(words));
    const outputs = await loaded.run(ngramFeeds(rows));
    for (const [index, part] of parts.entries())
      part.push(...((outputs[`member_${index}`] as Tensor).data as Float32Array));
  }
  await loaded.release();
  return parts.map((part) => Float32Array.from(part));
}

/** A packaged text model as the inference container runs it: its own task, on this thread. */
export async function openClassifier(
  folder: string,
  description: unknown,
): Promise<{ classify(texts: readonly string[]): Promise<Classification[]>; close(): Promise<void> }> {
  const manifest = manifestSchema.parse(description);
  const loaded = await session(join(folder, 'model.onnx'));
  const task = manifest.task === 'retrieval' ? retrieval : textClassification;
  const runner = await task.createRunner(manifest, folder, loaded.inputNames);
  return {
    async classify(texts) {
      const results: Classification[] = [];
      for (let from = 0; from < texts.length; from += BATCH) {
        const prepared = await Promise.all(texts.slice(from, from + BATCH).map((text) => runner.prepare(text)));
        const outputs = await loaded.run(runner.feeds(prepared));
        results.push(...(runner.results(outputs as Record<string, Tensor>, prepared.length) as Classification[]));
      }
      return results;
    },
    close: () => loaded.release(),
  };
}

/** Files of a package that is not written yet, in a folder of their own, which does not outlive the process. */
export function writeDraft(files: Record<string, Uint8Array | string>): { folder: string; remove(): void } {
  // All at once: Ctrl-C finds no folder that nobody knows of.
  const folder = mkdtempSync(join(tmpdir(), 'maru-draft-'));
  const remove = () => {
    process.off('exit', remove);
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', remove);
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    return { folder, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
