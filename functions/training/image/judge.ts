import { floats, quantise } from '../quantise.ts';
import { Random } from '../random.ts';
import type { TrainedNetwork } from './network.ts';
import { Network } from './network.ts';

const BATCH = 64;

/** How a network is served. */
export interface Served {
  network: TrainedNetwork;
  /** Each picture is seen mirrored, too, and both answers are added: worth a third of a point, for twice the arithmetic. */
  mirrored: boolean;
  /** What each byte of a picture is to the network. */
  value: Float32Array;
}

/**
 * Logits [count, classes] of pictures [count, side, side, channels], by the network as it is exported, with its large layer in int8. By the trainer's
 * own kernels: what is chosen by them is the same on any processor, which ONNX Runtime's sums are not. What it serves differs in the sixth digit.
 */
export function logitsOf({ network, mirrored, value }: Served, pixels: Uint8Array): Float32Array<ArrayBuffer> {
  const { shape, dense } = network;
  const { side, channels, hidden, classes } = shape;
  const [first, second] = dense as [TrainedNetwork['dense'][number], TrainedNetwork['dense'][number]];
  const table = floats(quantise(first.weights, first.weights.length / hidden, hidden, hidden, 'column'));
  const served = Network.of({ ...network, dense: [{ ...first, weights: table }, second] }, BATCH, new Random(1));
  const size = side * side * channels;
  const count = pixels.length / size;
  const found = new Float32Array(count * classes);
  for (let from = 0; from < count; from += BATCH) {
    const rows = Math.min(BATCH, count - from);
    for (const isMirrored of mirrored ? [false, true] : [false]) {
      for (let row = 0; row < rows; row += 1) {
        const start = (from + row) * size;
        served.write(
          row,
          (r, column, channel) =>
            value[pixels[start + (r * side + (isMirrored ? side - 1 - column : column)) * channels + channel]!]!,
        );
      }
      const logits = served.logits(rows);
      for (let at = 0; at < logits.length; at += 1) found[from * classes + at]! += logits[at]!;
    }
  }
  return found;
}
