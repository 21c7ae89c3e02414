import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, type Tensor } from 'onnxruntime-node';
import { manifest as manifestSchema } from '../../../inference-container/models/manifest.ts';
import type { Classification } from '../../../inference-container/tasks/classification.ts';
import { imageClassification } from '../../../inference-container/tasks/image-classification.ts';

export interface Classifier {
  /** Throws InvalidRow for what is no picture. */
  classify(picture: Uint8Array): Promise<Classification>;
  close(): Promise<void>;
}

/** A packaged model of pictures as the inference container runs it: its own task, on this thread. */
export async function openPictures(folder: string): Promise<Classifier> {
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')));
  const session = await InferenceSession.create(join(folder, 'model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const runner = await imageClassification.createRunner(manifest, folder, session.inputNames);
  return {
    async classify(picture) {
      const outputs = await session.run(runner.feeds([await runner.prepare(picture)]));
      return runner.results(outputs as Record<string, Tensor>, 1)[0] as Classification;
    },
    close: () => session.release(),
  };
}
