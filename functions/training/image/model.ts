import type { Confidence } from '../calibration.ts';
import { BARE, Graph } from '../graph.ts';
import { quantise } from '../quantise.ts';
import type { Served } from './judge.ts';
import type { TrainedNetwork } from './network.ts';

/** A network as an ONNX model of standard operators: input `image`[batch, channels, side, side], output `scores`[batch, classes]. */
export function exportScores(served: Pick<Served, 'network' | 'mirrored'>, confidence: Confidence): Uint8Array {
  const graph = new Graph(BARE.opset);
  const scores = graph.scores([build(graph, served)], { standards: [{ mean: 0, scale: 1 }], confidence });
  return graph.model(BARE, [scores], served.network.shape.classes, 'pictures');
}

function build(graph: Graph, { network, mirrored }: Pick<Served, 'network' | 'mirrored'>): string {
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
