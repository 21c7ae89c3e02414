import { encoderPrefix } from '../../inference-container/tasks/text.ts';
import type { Encoder } from './encoder.ts';
import { readEncoderGraphs } from './encoder-graph.ts';
import { BARE, Graph, type Parts, type Scoring } from './graph.ts';

/**
 * The members that make their logits of n-grams, as an ONNX model of standard operators (opset 17): what the weights are chosen by.
 * Inputs as `ngramFeeds` of the inference container makes them; outputs `member_0` …, each [batch, classes].
 */
export function exportMembers({ classes, cnns, svm }: Parts): Uint8Array {
  const graph = new Graph(BARE.opset);
  const members = graph.members(
    cnns.map((part, index) => ({ part, name: `cnn${index}` })),
    svm,
    classes,
  );
  return graph.model(
    BARE,
    members.map((member, index) => graph.named(`member_${index}`, member)),
    classes,
  );
}

/**
 * The ensemble as it is served: output `scores`[batch, classes]. A member without a weight is not in it, an encoder without one neither;
 * those that are stand in `encoders`, and their inputs behind {@link encoderPrefix}.
 */
export async function exportEnsemble(
  { classes, cnns, svm, heads }: Parts,
  { standards, confidence }: Scoring,
  encoders: readonly Encoder[],
): Promise<{ model: Uint8Array; encoders: Encoder[]; rows: 'independent' | 'dependent' }> {
  const weighed = (index: number) => standards[index]!.scale !== 0;
  const own = cnns.map((part, index) => ({ part, name: `cnn${index}`, index })).filter(({ index }) => weighed(index));
  const read = heads
    .map((head, index) => ({ head, encoder: encoders[index]!, index }))
    .filter(({ index }) => weighed(cnns.length + 1 + index))
    .map(({ head, encoder }, place) => ({ head, encoder, prefix: encoderPrefix(place) }));
  const graphs = read.length > 0 ? await readEncoderGraphs(read) : BARE;
  const graph = new Graph(graphs.opset);
  const members = graph.members(own, weighed(cnns.length) ? svm : null, classes);
  for (const [place, part] of graphs.graphs.entries())
    members.push(graph.head(`head${place}`, part, read[place]!.head));
  const scores = graph.scores(members, { standards: standards.filter(({ scale }) => scale !== 0), confidence });
  // Quantised as it runs, a row's scale is that of all rows it stands beside.
  const mixing = graphs.graphs.some(({ nodes }) => nodes.some(({ opType }) => opType === 'DynamicQuantizeLinear'));
  return {
    model: graph.model(graphs, [scores], classes),
    encoders: read.map(({ encoder }) => encoder),
    rows: mixing ? 'dependent' : 'independent',
  };
}
