import { Worker } from 'node:worker_threads';
import type { Progress } from '../cnn.ts';
import type { Pictures } from './dataset.ts';
import type { Shape, TrainedNetwork } from './network.ts';
import type { ImageRecipe } from './recipe.ts';
import { gradientLength, SHARDS, type ShardData, type ShardMessage } from './shard.ts';

export interface LearnOptions {
  shape: Shape;
  recipe: ImageRecipe;
  seed: number;
  pictures: Pictures;
  /** What is of no class. */
  outside: Uint8Array;
  progress: Progress;
}

/** Beside this module: its source, or what a build made of it. */
const SHARD = new URL(import.meta.url.endsWith('.ts') ? './shard.ts' : './shard.js', import.meta.url);

/** Trains a network in as many threads as a batch has parts. The same pictures and seed give the same network. */
export async function learn({
  shape,
  recipe,
  seed,
  pictures,
  outside,
  progress,
}: LearnOptions): Promise<TrainedNetwork & { mean: number; deviation: number }> {
  const { mean, deviation } = statistics(pictures.pixels);
  const shared = <T extends Uint8Array | Int32Array>(make: new (buffer: SharedArrayBuffer) => T, from: T) => {
    const copy = new make(new SharedArrayBuffer(from.byteLength));
    copy.set(from);
    return copy;
  };
  const common = {
    ...{ shape, recipe, seed, mean, deviation },
    shards: SHARDS,
    pixels: shared(Uint8Array<SharedArrayBuffer>, pictures.pixels as Uint8Array<SharedArrayBuffer>),
    labels: shared(Int32Array<SharedArrayBuffer>, pictures.labels as Int32Array<SharedArrayBuffer>),
    outside: shared(Uint8Array<SharedArrayBuffer>, outside as Uint8Array<SharedArrayBuffer>),
    shared: new Float32Array(new SharedArrayBuffer(4 * 2 * SHARDS * gradientLength(shape))),
    barrier: new Int32Array(new SharedArrayBuffer(8)),
  };
  const threads: Worker[] = [];
  try {
    return await new Promise((resolve, reject) => {
      for (let place = 0; place < SHARDS; place += 1) {
        const thread = new Worker(SHARD, { workerData: { ...common, place } satisfies ShardData });
        threads.push(thread);
        thread.on('message', (message: ShardMessage) => {
          if ('network' in message) resolve({ ...message.network, mean, deviation });
          else if (place === 0) progress(message.share, message.loss);
        });
        thread.once('error', reject);
        thread.once('exit', (code) => code !== 0 && reject(new Error(`a training thread ended with code ${code}`)));
      }
    });
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

/** Of all values, from 0 to 1. */
function statistics(pixels: Uint8Array): { mean: number; deviation: number } {
  let [sum, squares] = [0, 0];
  for (const pixel of pixels) {
    sum += pixel;
    squares += pixel * pixel;
  }
  const mean = sum / pixels.length;
  return { mean: mean / 255, deviation: Math.max(1e-3, Math.sqrt(squares / pixels.length - mean * mean) / 255) };
}
