import onnxProto from 'onnx-proto';
import type { Bag } from './bag.ts';

const { onnx } = onnxProto;

/** The bag as an ONNX model of standard operators: ids[batch,n], weights[batch,n] → probabilities[batch,classes]. */
export function exportBag(bag: Bag, temperature: number): Uint8Array {
  const { units, classes } = bag;
  const features = bag.vectors.length / units;
  const graph = onnx.GraphProto.create({
    name: 'intents',
    input: [value('ids', INT64, ['batch', 'n']), value('weights', FLOAT, ['batch', 'n'])],
    output: [value('probabilities', FLOAT, ['batch', classes])],
    initializer: [
      floats('vectors', [features, units], bag.vectors),
      floats('hidden_bias', [units], bag.hiddenBias),
      floats(
        'output_weights',
        [units, classes],
        bag.weights.map((weight) => weight / temperature),
      ),
      floats(
        'output_bias',
        [classes],
        bag.bias.map((bias) => bias / temperature),
      ),
      ints('last', [2]),
      ints('middle', [1]),
    ],
    node: [
      node('Gather', ['vectors', 'ids'], 'gathered'),
      node('Unsqueeze', ['weights', 'last'], 'columns'),
      node('Mul', ['gathered', 'columns'], 'weighted'),
      node('ReduceSum', ['weighted', 'middle'], 'summed', { keepdims: 0 }),
      node('Add', ['summed', 'hidden_bias'], 'biased'),
      node('Tanh', ['biased'], 'hidden'),
      node('MatMul', ['hidden', 'output_weights'], 'multiplied'),
      node('Add', ['multiplied', 'output_bias'], 'logits'),
      node('Softmax', ['logits'], 'probabilities', { axis: 1 }),
    ],
  });
  const model = onnx.ModelProto.create({
    irVersion: 8,
    producerName: 'maru',
    opsetImport: [{ domain: '', version: 17 }],
    graph,
  });
  return onnx.ModelProto.encode(model).finish();
}

const FLOAT = onnx.TensorProto.DataType.FLOAT;
const INT64 = onnx.TensorProto.DataType.INT64;

function value(name: string, elemType: number, shape: (string | number)[]) {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

function floats(name: string, dims: number[], data: Float32Array) {
  return { name, dims, dataType: FLOAT, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

function ints(name: string, data: number[]) {
  return {
    name,
    dims: [data.length],
    dataType: INT64,
    rawData: new Uint8Array(BigInt64Array.from(data, BigInt).buffer),
  };
}

function node(opType: string, input: string[], output: string, attributes: Record<string, number> = {}) {
  const attribute = Object.entries(attributes).map(([name, i]) => ({
    name,
    i,
    type: onnx.AttributeProto.AttributeType.INT,
  }));
  return { opType, input, output: [output], name: output, attribute };
}
