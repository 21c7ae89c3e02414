import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openClassifier } from '../../functions/training/classifier.ts';
import { readDataset } from '../../functions/training/dataset.ts';
import { percentile } from './report.ts';

/** Median microseconds of one utterance alone, of a file's test split, by the container's own task. */
export async function latency(out: string, file: string): Promise<number> {
  const classifier = await openClassifier(out, JSON.parse(await readFile(join(out, 'model.json'), 'utf8')));
  const dataset = await readDataset(file);
  const times: number[] = [];
  for (const { text } of dataset.test().slice(0, 500)) {
    const started = performance.now();
    await classifier.classify([text]);
    times.push((performance.now() - started) * 1_000);
  }
  await classifier.close();
  return percentile(times, 0.5);
}
