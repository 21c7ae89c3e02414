import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { Random } from '../train/random.ts';

const { onnx } = onnxProto;
const FLOAT = onnx.TensorProto.DataType.FLOAT;
const INT64 = onnx.TensorProto.DataType.INT64;

type Dim = string | number;
const value = (name: string, elemType: number, shape: Dim[]) => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: { dim: shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size })) },
    },
  },
});
const node = (opType: string, input: string[], output: string, attribute: object[] = []) => ({
  opType,
  input,
  output: [output],
  attribute,
});

function weights(name: string, dims: number[], scale: number, random: Random) {
  const data = Float32Array.from(
    { length: dims.reduce((product, size) => product * size, 1) },
    () => (random.next() * 2 - 1) * scale,
  );
  return { name, dims, dataType: FLOAT, rawData: new Uint8Array(data.buffer) };
}

/** The text model of the benchmark: ids int64[batch, 32] → embedding (40,000 × 128) → mean → 256 relu → probabilities[batch, 150]. */
function small(): Uint8Array {
  const random = new Random(7);
  return encode('small', [value('ids', INT64, ['batch', 32])], [value('probabilities', FLOAT, ['batch', 150])], {
    initializer: [
      weights('embedding', [40_000, 128], 1, random),
      weights('w1', [128, 256], 0.5, random),
      weights('w2', [256, 150], 0.1, random),
    ],
    node: [
      node('Gather', ['embedding', 'ids'], 'embedded'),
      node('ReduceMean', ['embedded'], 'mean', [
        { name: 'axes', ints: [1], type: onnx.AttributeProto.AttributeType.INTS },
        { name: 'keepdims', i: 0, type: onnx.AttributeProto.AttributeType.INT },
      ]),
      node('MatMul', ['mean', 'w1'], 'hidden'),
      node('Relu', ['hidden'], 'active'),
      node('MatMul', ['active', 'w2'], 'logits'),
      node('Softmax', ['logits'], 'probabilities'),
    ],
  });
}

/** The mid-size model: x float[batch, 256] → 6 layers of 2,048 relu → y[batch, 64], about 5 ms a row. */
function mid(): Uint8Array {
  const random = new Random(8);
  const sizes = [256, 2_048, 2_048, 2_048, 2_048, 2_048, 2_048, 64];
  const initializer = sizes
    .slice(1)
    .map((size, index) => weights(`w${index}`, [sizes[index]!, size], 2 / Math.sqrt(sizes[index]!), random));
  const nodes = sizes.slice(1).flatMap((_, index) => {
    const input = index === 0 ? 'x' : `r${index - 1}`;
    if (index === sizes.length - 2) return [node('MatMul', [input, `w${index}`], 'y')];
    return [node('MatMul', [input, `w${index}`], `a${index}`), node('Relu', [`a${index}`], `r${index}`)];
  });
  return encode('mid', [value('x', FLOAT, ['batch', 256])], [value('y', FLOAT, ['batch', 64])], {
    initializer,
    node: nodes,
  });
}

function encode(
  name: string,
  input: object[],
  output: object[],
  parts: { initializer: object[]; node: object[] },
): Uint8Array {
  const graph = { name, input, output, ...parts };
  return onnx.ModelProto.encode(
    onnx.ModelProto.create({ irVersion: 8, producerName: 'maru', opsetImport: [{ domain: '', version: 17 }], graph }),
  ).finish();
}

/** Writes the models as a repository; `-single` are the same without batching. */
export async function writeModels(folder: string): Promise<void> {
  for (const [name, bytes] of [
    ['small', small()],
    ['mid', mid()],
  ] as const) {
    await write(join(folder, name, '1'), bytes, null);
    await write(join(folder, `${name}-single`, '1'), bytes, {
      name: `${name}-single`,
      version: '1',
      batching: { maxRows: 1 },
    });
  }
}

async function write(folder: string, bytes: Uint8Array, manifest: object | null): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.onnx'), bytes);
  if (manifest) await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
}

/** One row of each model. */
export const rows = {
  small: Array.from({ length: 32 }, (_, index) => (index * 7_919) % 40_000),
  mid: Array.from({ length: 256 }, (_, index) => Math.round(Math.sin(index) * 1e4) / 1e4),
};
