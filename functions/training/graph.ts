import onnxProto from 'onnx-proto';
import type { Confidence, Standard } from './calibration.ts';
import type { Cnn } from './cnn.ts';
import type { Encoder } from './encoder.ts';
import type { EncoderGraphs, Node, Tensor } from './encoder-graph.ts';
import type { Head } from './head.ts';
import type { Quantised } from './quantise.ts';
import type { Svm } from './svm.ts';

const { onnx } = onnxProto;

const FLOAT = onnx.TensorProto.DataType.FLOAT;
const INT8 = onnx.TensorProto.DataType.INT8;
const INT32 = onnx.TensorProto.DataType.INT32;
const INT64 = onnx.TensorProto.DataType.INT64;

/** The trained parts, as int8 where they are large. */
export interface Parts {
  classes: number;
  cnns: { cnn: Cnn; table: Quantised; convolutions: Quantised[]; output: Quantised }[];
  svm: { svm: Svm; table: Quantised; dense: Quantised; vectors: Quantised };
  /** One for each encoder, in their order. */
  heads: Head[];
}

/** How logits become scores. The members stand in the order CNNs, SVM, heads. */
export interface Scoring {
  standards: Standard[];
  confidence: Confidence;
}

const OPSET = 17;
/** A graph without any encoder. */
export const BARE: EncoderGraphs = { opset: OPSET, irVersion: 8, domains: [], functions: [], graphs: [] };

/** An ONNX model of standard operators, as it grows. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly initializers: Tensor[] = [];
  readonly inputs: Value[] = [];
  readonly #opset: number;
  #serial = 0;

  constructor(opset: number) {
    this.#opset = opset;
  }

  /** The logits of CNNs and SVM. */
  members(cnns: { part: Parts['cnns'][number]; name: string }[], svm: Parts['svm'] | null, classes: number): string[] {
    if (cnns.length === 0 && !svm) return [];
    this.inputs.push(
      value('grams', INT32, ['batch', 'places', 'grams_of_a_word']),
      value('lengths', INT32, ['batch']),
      value('word_weights', FLOAT, ['batch', 'places']),
    );
    this.sparseInputs();
    const words = this.embed([
      ...cnns.map(({ name, part }) => ({ name, table: part.table })),
      ...(svm ? [{ name: 'svm', table: svm.vectors }] : []),
    ]);
    const members = cnns.map(({ name, part }, place) => this.cnn(name, part, words[place]!, classes));
    if (svm) members.push(this.svm('svm', svm, words.at(-1)!));
    return members;
  }

  sparseInputs(): void {
    this.inputs.push(value('ids', INT32, ['batch', 'features']), value('weights', FLOAT, ['batch', 'features']));
  }

  /** The sum of a text's features: rows of a table [features, classes], weighed. */
  sparse(table: string): string {
    // [batch, 1, features] × [batch, features, classes]
    const weights = this.node('Unsqueeze', ['weights', this.ints([1])]);
    const rows = this.node('Gather', [table, 'ids']);
    return this.node('Squeeze', [this.node('MatMul', [weights, rows]), this.ints([1])]);
  }

  /** The greatest value of each row and the one after it, each [batch, 1]. */
  topTwo(from: string): [string, string] {
    const [first, second] = ['top.first', 'top.second'];
    const found = `top.${this.#serial++}`;
    const { INT } = onnx.AttributeProto.AttributeType;
    this.nodes.push(
      onnx.NodeProto.create({
        opType: 'TopK',
        input: [from, this.ints([2])],
        output: [found, `${found}.places`],
        name: found,
        attribute: [{ name: 'axis', i: 1, type: INT }],
      }),
      onnx.NodeProto.create({
        opType: 'Split',
        input: [found, this.ints([1, 1])],
        output: [first, second],
        name: `${found}.split`,
        attribute: [{ name: 'axis', i: 1, type: INT }],
      }),
    );
    return [first, second];
  }

  /** An input of pictures. */
  pictures(name: string, channels: number, side: number): void {
    this.inputs.push(value(name, FLOAT, ['batch', channels, side, side]));
  }

  model(
    { opset, irVersion, domains, functions }: EncoderGraphs,
    outputs: string[],
    classes: number,
    name = 'intents',
  ): Uint8Array {
    const model = onnx.ModelProto.create({
      irVersion,
      producerName: 'maru',
      opsetImport: [{ domain: '', version: opset }, ...domains],
      functions,
      graph: {
        name,
        input: this.inputs,
        output: outputs.map((name) => value(name, FLOAT, ['batch', classes])),
        initializer: this.initializers,
        node: this.nodes,
      },
    });
    return onnx.ModelProto.encode(model).finish();
  }

  /** An encoder and its classifier: text vectors of length 1 (encoder.ts) → logits. */
  head(name: string, { prefix, nodes, initializers, encoder }: EncoderGraphs['graphs'][number], head: Head): string {
    this.nodes.push(...nodes);
    this.initializers.push(...initializers);
    for (const input of new Set([...encoder.inputs, 'attention_mask']))
      this.inputs.push(value(`${prefix}${input}`, INT64, ['batch', `${prefix}tokens`]));
    const vectors = this.unit(this.pooled(`${prefix}${encoder.output}`, prefix, encoder), 1);
    const [dimensions, classes] = [head.weights.length / head.bias.length, head.bias.length];
    const multiplied = this.node('MatMul', [
      vectors,
      this.floats(`${name}.weights`, [dimensions, classes], head.weights),
    ]);
    return this.node('Add', [multiplied, this.floats(`${name}.bias`, [classes], head.bias)]);
  }

  /** [batch, tokens, dimensions] → [batch, dimensions], of whatever length. */
  pooled(output: string, prefix: string, { pooling }: Encoder): string {
    if (pooling === 'given') return output;
    if (pooling === 'cls') return this.node('Gather', [output, this.int(0)], { axis: 1 });
    const mask = this.node('Cast', [`${prefix}attention_mask`], { to: FLOAT });
    const kept = this.node('Mul', [output, this.node('Unsqueeze', [mask, this.ints([2])])]);
    return this.reduced('ReduceSum', kept, 1, 0);
  }

  /** From opset 18 on the axes are an input; ReduceSum has them as one before. */
  reduced(opType: 'ReduceSum' | 'ReduceMax' | 'ReduceL2', from: string, axis: number, keepdims: number): string {
    return this.#opset >= 18 || opType === 'ReduceSum'
      ? this.node(opType, [from, this.ints([axis])], { keepdims })
      : this.node(opType, [from], { axes: [axis], keepdims });
  }

  cnn(name: string, { cnn, convolutions, output }: Parts['cnns'][number], embedded: string, classes: number): string {
    // [batch, places, dimensions] → [batch, dimensions, places]
    const words = this.node('Transpose', [embedded], { perm: [0, 2, 1] });
    const pooled = cnn.convolutions.map(({ width, bias }, index) => {
      const filters = this.convolution(`${name}.filters${width}`, convolutions[index]!, width, cnn);
      const convolved = this.node('Conv', [words, filters], { kernel_shape: [width] });
      // Places that reach beyond the text are no candidates for the maximum.
      const masked = this.node('Where', [
        this.inside(convolved, width),
        convolved,
        this.constant(Number.NEGATIVE_INFINITY),
      ]);
      const most = this.reduced('ReduceMax', masked, 2, 0);
      return this.node('Tanh', [this.node('Add', [most, this.floats(`${name}.bias${width}`, [bias.length], bias)])]);
    });
    const joined = this.node('Concat', pooled, { axis: 1 });
    const multiplied = this.node('MatMul', [joined, this.dequantised(`${name}.output`, output)]);
    return this.node('Add', [multiplied, this.floats(`${name}.output_bias`, [classes], cnn.bias)]);
  }

  svm(name: string, { svm, table, dense }: Parts['svm'], words: string): string {
    const { classes, bias } = svm;
    const sparse = this.sparse(this.dequantised(`${name}.table`, table));
    const fromDense = this.node('MatMul', [this.sentence(words), this.dequantised(`${name}.dense`, dense)]);
    return this.node('Add', [this.node('Add', [sparse, fromDense]), this.floats(`${name}.bias`, [classes], bias)]);
  }

  /** Standardised and added → softmax → confidence (calibration.ts). */
  scores(members: string[], { standards, confidence }: Scoring): string {
    const { temperature, slope, shift } = confidence;
    const parts = members.map((member, index) => {
      const { mean, scale } = standards[index]!;
      const factor = scale / temperature;
      return this.node('Add', [this.node('Mul', [member, this.constant(factor)]), this.constant(-mean * factor)]);
    });
    const probabilities = this.node('Softmax', [this.node('Sum', parts)], { axis: 1 });
    const clipped = this.node('Clip', [probabilities, this.constant(1e-9), this.constant(1 - 1e-7)]);
    const others = this.node('Sub', [this.constant(1), clipped]);
    const odds = this.node('Sub', [this.node('Log', [clipped]), this.node('Log', [others])]);
    const line = this.node('Add', [this.node('Mul', [odds, this.constant(slope)]), this.constant(shift)]);
    return this.named('scores', this.node('Sigmoid', [line]));
  }

  named(name: string, from: string): string {
    this.nodes.push(onnx.NodeProto.create({ opType: 'Identity', input: [from], output: [name], name }));
    return name;
  }

  /**
   * Word vectors [batch, places, dimensions] of each table: sums of n-gram vectors. The tables lie side by side, so that
   * one look-up serves all of them. Row 0 is zero: what fills up adds nothing.
   */
  embed(tables: { name: string; table: Quantised }[]): string[] {
    const wide = this.node(
      'Concat',
      tables.map(({ name, table }) => this.dequantised(`${name}.vectors`, table)),
      { axis: 1 },
    );
    const summed = this.reduced('ReduceSum', this.node('Gather', [wide, 'grams']), 2, 0);
    const outputs = tables.map(({ name }) => `${name}.words`);
    const split = this.ints(tables.map(({ table }) => table.columns));
    const attribute = [{ name: 'axis', i: 2, type: onnx.AttributeProto.AttributeType.INT }];
    this.nodes.push(
      onnx.NodeProto.create({ opType: 'Split', input: [summed, split], output: outputs, name: 'split', attribute }),
    );
    return outputs;
  }

  /** Places p of a text with p ≤ length − width: [batch, 1, places of the convolution]. */
  inside(convolved: string, width: number): string {
    const count = this.node('Gather', [this.node('Shape', [convolved]), this.int(2)]);
    const places = this.node('Cast', [this.node('Range', [this.int(0), count, this.int(1)])], { to: INT32 });
    const last = this.node('Sub', ['lengths', this.constant(width - 1, INT32)]);
    return this.node('Less', [places, this.node('Unsqueeze', [last, this.ints([1, 2])])]);
  }

  /** Weighted mean and maximum of words of length 1, each half of length 1 (sentences.ts). */
  sentence(words: string): string {
    const unit = this.unit(words, 2);
    const weights = this.node('Unsqueeze', ['word_weights', this.ints([2])]);
    const mean = this.reduced('ReduceSum', this.node('Mul', [unit, weights]), 1, 0);
    const known = this.node('Greater', [weights, this.constant(0)]);
    const most = this.reduced('ReduceMax', this.node('Where', [known, unit, this.constant(-2)]), 1, 0);
    // A text without any known word has a maximum of nothing: zero.
    const real = this.node('Where', [this.node('Greater', [most, this.constant(-1.5)]), most, this.constant(0)]);
    return this.node('Concat', [this.unit(mean, 1), this.unit(real, 1)], { axis: 1 });
  }

  unit(vectors: string, axis: number): string {
    const length = this.reduced('ReduceL2', vectors, axis, 1);
    return this.node('Div', [vectors, this.node('Max', [length, this.constant(1e-12)])]);
  }

  /** weights[width · dimensions, filters] → [filters, dimensions, width] */
  convolution(name: string, weights: Quantised, width: number, { dimensions, filters }: Cnn): string {
    const flat = this.dequantised(name, weights);
    const shaped = this.node('Reshape', [flat, this.ints([width, dimensions, filters])]);
    return this.node('Transpose', [shaped], { perm: [2, 1, 0] });
  }

  /** Floats of an int8 matrix; folded when the model is loaded, so that they cost space in memory and not in the file. */
  dequantised(name: string, matrix: Quantised): string {
    const scales = this.floats(
      `${name}.scales`,
      matrix.by === 'row' ? [matrix.rows, 1] : [1, matrix.columns],
      matrix.scales,
    );
    return this.node('Mul', [this.node('Cast', [this.bytes(name, matrix)], { to: FLOAT }), scales]);
  }

  bytes(name: string, { rows, columns, values }: Quantised): string {
    return this.initializer(name, INT8, [rows, columns], values);
  }

  floats(name: string, dims: number[], data: Float32Array): string {
    return this.initializer(name, FLOAT, dims, data);
  }

  ints(values: number[]): string {
    return this.initializer(`ints.${this.#serial++}`, INT64, [values.length], BigInt64Array.from(values, BigInt));
  }

  int(given: number): string {
    return this.initializer(`int.${this.#serial++}`, INT64, [], BigInt64Array.of(BigInt(given)));
  }

  constant(given: number, type = FLOAT): string {
    return this.initializer(
      `constant.${this.#serial++}`,
      type,
      [],
      type === INT32 ? Int32Array.of(given) : Float32Array.of(given),
    );
  }

  initializer(name: string, dataType: number, dims: number[], data: ArrayBufferView): string {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.initializers.push(onnx.TensorProto.create({ name, dims, dataType, rawData }));
    return name;
  }

  node(opType: string, input: string[], attributes: Record<string, number | number[]> = {}): string {
    const output = `${opType.toLowerCase()}.${this.#serial++}`;
    const { INT, INTS } = onnx.AttributeProto.AttributeType;
    const attribute = Object.entries(attributes).map(([name, given]) =>
      Array.isArray(given) ? { name, ints: given, type: INTS } : { name, i: given, type: INT },
    );
    this.nodes.push(onnx.NodeProto.create({ opType, input, output: [output], name: output, attribute }));
    return output;
  }
}

type Value = ReturnType<typeof value>;

function value(name: string, elemType: number, shape: (string | number)[]) {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return onnx.ValueInfoProto.create({ name, type: { tensorType: { elemType, shape: { dim } } } });
}
