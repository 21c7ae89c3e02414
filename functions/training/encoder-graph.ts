import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import onnxProto from 'onnx-proto';
import { DatasetError } from './dataset.ts';
import type { Encoder } from './encoder.ts';

const { onnx } = onnxProto;
export type Node = InstanceType<typeof onnx.NodeProto>;
export type Tensor = InstanceType<typeof onnx.TensorProto>;
type Graph = InstanceType<typeof onnx.GraphProto>;
type Model = InstanceType<typeof onnx.ModelProto>;

/** From here on, operators that reduce take their axes as an input, and Split wants to know its outputs. */
const OTHER_REDUCTIONS = 18;
/** The oldest whose operators are those of {@link OWN_OPSET}. */
const OLDEST = 13;
/** Of what this trainer writes by itself. */
const OWN_OPSET = 17;
/** The two names of ONNX's own operators. */
const STANDARD = ['', 'ai.onnx'];
/** A file of ONNX is one message of Protocol Buffers: at most 2 GB. */
const BYTES = 1.5e9;

/** The graphs of encoders, each with a prefix of its own, to stand in one model. */
export interface EncoderGraphs {
  opset: number;
  irVersion: number;
  domains: { domain: string; version: number }[];
  functions: Model['functions'];
  graphs: { prefix: string; nodes: Node[]; initializers: Tensor[]; encoder: Encoder }[];
}

/**
 * Reads encoders' models to be put into one, with every name behind the encoder's prefix. Throws a {@link DatasetError} where they can't
 * stand in one.
 */
export async function readEncoderGraphs(
  encoders: readonly { encoder: Encoder; prefix: string }[],
): Promise<EncoderGraphs> {
  const models = await Promise.all(
    encoders.map(async ({ encoder, prefix }) => ({ encoder, prefix, model: await readModel(encoder) })),
  );
  const opsets = models.map(({ model, encoder }) => ({ version: opsetOf(model), name: encoder.name }));
  for (const { version, name } of opsets)
    if (version < OLDEST)
      throw new DatasetError(`--encoder ${name}: it is of opset ${version}; export it with ${OLDEST} or later`);
  const [newest, oldest] = [
    Math.max(OWN_OPSET, ...opsets.map(({ version }) => version)),
    Math.min(...opsets.map(({ version }) => version)),
  ];
  if (newest >= OTHER_REDUCTIONS && oldest < OTHER_REDUCTIONS)
    throw new DatasetError(
      `the encoders are of opsets ${opsets.map(({ version }) => version).join(' and ')}, which can't stand in one model; export them with the same`,
    );
  const functions = models.flatMap(({ model }) => model.functions);
  if (new Set(functions.map(({ domain, name }) => `${domain} ${name}`)).size < functions.length)
    throw new DatasetError('two encoders bring functions of the same name; export them without functions');
  const domains = new Map<string, number>();
  for (const { model } of models)
    for (const { domain, version } of model.opsetImport)
      if (domain && !STANDARD.includes(domain))
        domains.set(domain, Math.max(domains.get(domain) ?? 0, Number(version)));
  return {
    opset: newest,
    irVersion: Math.max(8, ...models.map(({ model }) => Number(model.irVersion))),
    domains: [...domains].map(([domain, version]) => ({ domain, version })),
    functions,
    graphs: models.map(({ encoder, prefix, model }) => {
      const graph = model.graph as Graph;
      renameGraph(graph, prefix);
      return { prefix, encoder, nodes: graph.node as Node[], initializers: graph.initializer as Tensor[] };
    }),
  };
}

async function readModel(encoder: Encoder): Promise<Model> {
  const model = onnx.ModelProto.decode(await readFile(encoder.model)) as Model;
  const initializers = (model.graph?.initializer ?? []) as Tensor[];
  const files = new Map<string, Buffer>();
  let bytes = 0;
  for (const one of initializers) {
    if (one.dataLocation === onnx.TensorProto.DataLocation.EXTERNAL) await inline(one, dirname(encoder.model), files);
    bytes += one.rawData.length;
  }
  if (bytes > BYTES)
    throw new DatasetError(
      `--encoder ${encoder.name}: its weights take ${(bytes / 1e9).toFixed(1)} GB, and ${BYTES / 1e9} GB fit into one model`,
    );
  return model;
}

/** Weights from a file beside the model come into it. */
async function inline(tensor: Tensor, folder: string, files: Map<string, Buffer>): Promise<void> {
  const external = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = external.get('location') ?? '';
  const file = files.get(location) ?? (await readFile(join(folder, location)));
  files.set(location, file);
  const offset = Number(external.get('offset') ?? 0);
  const length = Number(external.get('length') ?? file.length - offset);
  tensor.rawData = file.subarray(offset, offset + length);
  tensor.externalData = [];
  tensor.dataLocation = onnx.TensorProto.DataLocation.DEFAULT;
}

function opsetOf(model: Model): number {
  return Number(model.opsetImport.find(({ domain }) => STANDARD.includes(domain ?? ''))?.version ?? 0);
}

/** Every name of a graph and of those within it; an empty one stands for an input that is left out. */
function renameGraph(graph: Graph, prefix: string): void {
  const renamed = (name: string) => (name ? `${prefix}${name}` : name);
  for (const list of [graph.initializer, graph.input, graph.output, graph.valueInfo])
    for (const one of list ?? []) one.name = renamed(one.name!);
  for (const node of graph.node ?? []) {
    node.name = renamed(node.name!);
    node.input = node.input!.map(renamed);
    node.output = node.output!.map(renamed);
    for (const { g, graphs } of node.attribute ?? [])
      for (const inner of [...(g ? [g] : []), ...(graphs ?? [])]) renameGraph(inner as Graph, prefix);
  }
}
