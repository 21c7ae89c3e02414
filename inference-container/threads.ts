import { availableParallelism } from 'node:os';
import type { Settings } from './settings.ts';

/** Threads of a kind: how many, and what they run. */
export interface Threads {
  count: number;
  script: URL;
}

/** How many threads run ONNX Runtime and how many serve HTTP, where the settings do not say. */
export function threadCounts({ WORKERS, HTTP_THREADS }: Settings): { workers: number; http: number } {
  const cores = availableParallelism();
  return {
    // One core serves HTTP; on a small machine it shares with the one worker.
    workers: WORKERS ?? Math.max(1, cores - 1),
    // While the workers have nothing to do, a second thread serves what is quick on their core. Only Linux divides the
    // connections of one port among threads.
    http: HTTP_THREADS ?? (process.platform === 'linux' ? Math.min(2, cores) : 1),
  };
}
