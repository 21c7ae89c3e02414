import { InferenceSession, type InferenceSession as Session, Tensor } from 'onnxruntime-node';
import type { Confidence } from '../calibration.ts';
import { BARE, Graph } from '../graph.ts';
import { quantise } from '../quantise.ts';
import type { TrainedNetwork } from './network.ts';

/** How a network is served. */
interface Served {
  network: TrainedNetwork;
  /** Each picture is seen mirrored, too, and both answers are added: worth a third of a point, for twice the arithmetic. */
  mirrored: boolean;
}

/** A network as an ONNX model of standard operators: input `image`[batch, channels, side, side], output `logits`[batch, classes]. */
export function exportLogits(served: Served): Uint8Array {
  const graph = new Graph(BARE.opset);
  const logits = graph.named('logits', build(graph, served));
  return graph.model(BARE, [logits], served.network.shape.classes, 'pictures');
}

/** As it is served: output `scores`[batch, classes]. */
export function exportScores(served: Served, confidence: Confidence): Uint8Array {
  const graph = new Graph(BARE.opset);
  const scores = graph.scores([build(graph, served)], { standards: [{ mean: 0, scale: 1 }], confidence });
  return graph.model(BARE, [scores], served.network.shape.classes, 'pictures');
}

function build(graph: Graph, { network, mirrored }: Served): string {
  const { shape, convolutions, dense } = network;
  const { side, channels, filters, hidden, classes } = shape;
  graph.pictures('image', channels, side);
  const reversed = Array.from({ length: side }, (_, column) => side - 1 - column);
  let at = 'image';
  if (mirrored)
    at = graph.node('Concat', ['image', graph.node('Gather', ['image', graph.ints(reversed)], { axis: 3 })], {
      axis: 0,
    });
  for (const [index, { weights, bias }] of convolutions.entries()) {
    const [from, to] = [index === 0 ? channels : filters[0], filters[index]!];
    const kernel = graph.floats(`convolution${index}.weights`, [to, from, 3, 3], outermost(weights, from, to));
    const convolved = graph.node('Conv', [at, kernel, graph.floats(`convolution${index}.bias`, [to], bias)], {
      kernel_shape: [3, 3],
      pads: [1, 1, 1, 1],
    });
    at = graph.node('MaxPool', [graph.node('Relu', [convolved])], { kernel_shape: [2, 2], strides: [2, 2] });
  }
  const places = (side / 4) ** 2;
  const features = places * filters[1];
  at = graph.node('Reshape', [at, graph.ints([-1, features])]);
  const [first, second] = dense as [TrainedNetwork['dense'][number], TrainedNetwork['dense'][number]];
  const table = quantise(channelFirst(first.weights, places, filters[1], hidden), features, hidden, hidden, 'column');
  const inner = graph.node('Add', [
    graph.node('MatMul', [at, graph.dequantised('hidden', table)]),
    graph.floats('hidden.bias', [hidden], first.bias),
  ]);
  const outer = graph.node('MatMul', [
    graph.node('Relu', [inner]),
    graph.floats('output', [hidden, classes], second.weights),
  ]);
  const logits = graph.node('Add', [outer, graph.floats('output.bias', [classes], second.bias)]);
  if (!mirrored) return logits;
  return graph.reduced('ReduceSum', graph.node('Reshape', [logits, graph.ints([2, -1, classes])]), 0, 0);
}

/** weights[3, 3, from, to] → [to, from, 3, 3] */
function outermost(weights: Float32Array, from: number, to: number): Float32Array {
  const found = new Float32Array(weights.length);
  for (let tap = 0; tap < 9; tap += 1)
    for (let i = 0; i < from; i += 1)
      for (let o = 0; o < to; o += 1) found[(o * from + i) * 9 + tap] = weights[(tap * from + i) * to + o]!;
  return found;
}

/** weights[places, filters, hidden] → [filters, places, hidden] */
function channelFirst(weights: Float32Array, places: number, filters: number, hidden: number): Float32Array {
  const found = new Float32Array(weights.length);
  for (let place = 0; place < places; place += 1)
    for (let filter = 0; filter < filters; filter += 1)
      found.set(
        weights.subarray((place * filters + filter) * hidden).subarray(0, hidden),
        (filter * places + place) * hidden,
      );
  return found;
}

const BATCH = 64;

/** Runs a model on pictures [count, side, side, channels] by ONNX Runtime: what the trainer measures is what is served. [count, classes] */
export async function run(
  model: Uint8Array,
  pixels: Uint8Array,
  { side, channels, classes }: TrainedNetwork['shape'],
  value: Float32Array,
): Promise<Float32Array<ArrayBuffer>> {
  const session: Session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const places = side * side;
  const count = pixels.length / (places * channels);
  const found = new Float32Array(count * classes);
  try {
    for (let from = 0; from < count; from += BATCH) {
      const rows = Math.min(BATCH, count - from);
      const data = new Float32Array(rows * places * channels);
      for (let row = 0; row < rows; row += 1)
        for (let place = 0; place < places; place += 1)
          for (let channel = 0; channel < channels; channel += 1)
            data[(row * channels + channel) * places + place] =
              value[pixels[((from + row) * places + place) * channels + channel]!]!;
      const [name] = session.outputNames;
      const output = await session.run({ image: new Tensor('float32', data, [rows, channels, side, side]) });
      found.set(output[name!]!.data as Float32Array, from * classes);
    }
    return found;
  } finally {
    await session.release();
  }
}
