import { encoderPrefix } from '../../../inference-container/tasks/text.ts';
import type { Encoder } from '../encoder.ts';
import { readEncoderGraphs } from '../encoder-graph.ts';
import { BARE, Graph } from '../graph.ts';
import { quantise } from '../quantise.ts';
import type { Confidence } from './confidence.ts';
import type { Retriever } from './retriever.ts';

/**
 * The retriever as it is served, in standard operators: inputs `ids` and `weights` as `ngramFeeds` makes them, and the tokens of each
 * encoder behind {@link encoderPrefix}; output `scores`[batch, entries], each the chance that the entry is the right one.
 */
export async function exportRetriever(
  { entries, stride, table, bias, syllabic, dense }: Retriever,
  { slope, lead, syllabic: ofSyllables, shift }: Confidence,
  encoders: readonly Encoder[],
): Promise<{ model: Uint8Array; rows: 'independent' | 'dependent' }> {
  const read = encoders.map((encoder, index) => ({ encoder, prefix: encoderPrefix(index) }));
  const graphs = read.length > 0 ? await readEncoderGraphs(read) : BARE;
  const graph = new Graph(graphs.opset);
  graph.sparseInputs();
  const features = table.length / stride;
  const sparse = graph.sparse(graph.dequantised('table', quantise(table, features, entries, stride, 'row')));
  const parts = graphs.graphs.map((part, place) => {
    const dimensions = dense[place]!.length / stride;
    const weights = new Float32Array(dimensions * entries);
    for (let d = 0; d < dimensions; d += 1)
      weights.set(dense[place]!.subarray(d * stride, d * stride + entries), d * entries);
    return graph.head(`head${place}`, part, { weights, bias: new Float32Array(entries) });
  });
  const summed = graph.node('Sum', [sparse, ...parts]);
  const margins = graph.node('Add', [summed, graph.floats('bias', [entries], bias)]);
  // What stands before it, or, of the first, behind it.
  const [first, second] = graph.topTwo(margins);
  const other = graph.node('Where', [graph.node('Equal', [margins, first]), second, first]);
  const ahead = graph.node('Sub', [margins, other]);
  const own = graph.sparse(graph.floats('syllabic', [features, 1], syllabic));
  const all = graph.reduced('ReduceSum', 'weights', 1, 1);
  const share = graph.node('Div', [own, graph.node('Max', [all, graph.constant(1e-12)])]);
  const line = graph.node('Sum', [
    graph.node('Mul', [margins, graph.constant(slope)]),
    graph.node('Mul', [ahead, graph.constant(lead)]),
    graph.node('Mul', [share, graph.constant(ofSyllables)]),
    graph.constant(shift),
  ]);
  const scores = graph.named('scores', graph.node('Sigmoid', [line]));
  const mixing = graphs.graphs.some(({ nodes }) => nodes.some(({ opType }) => opType === 'DynamicQuantizeLinear'));
  return { model: graph.model(graphs, [scores], entries), rows: mixing ? 'dependent' : 'independent' };
}
