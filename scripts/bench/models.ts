import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { Random } from '../../functions/training/random.ts';

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

/**
 * The text model of the benchmark: ids int64[batch, 32] → embedding (40,000 × 128) → mean → 256 relu → 150 classes, of which
 * it gives all `probabilities`[batch, 150], or `best`[batch, 2]: the likeliest class and its probability.
 */
function small(output: 'best' | 'probabilities', input: 'ids' | 'input_ids' = 'ids'): Uint8Array {
  const random = new Random(7);
  const integer = (name: string, i: number) => ({ name, i, type: onnx.AttributeProto.AttributeType.INT });
  const axes = { name: 'axes', ints: [1], type: onnx.AttributeProto.AttributeType.INTS };
  const best = [
    node('ArgMax', ['probabilities'], 'class', [integer('axis', 1)]),
    node('Cast', ['class'], 'number', [integer('to', FLOAT)]),
    node('ReduceMax', ['probabilities'], 'score', [axes]),
    node('Concat', ['number', 'score'], 'best', [integer('axis', 1)]),
  ];
  const outputs = [value(output, FLOAT, ['batch', output === 'best' ? 2 : 150])];
  return encode('small', [value(input, INT64, ['batch', input === 'ids' ? 32 : 'words'])], outputs, {
    initializer: [
      weights('embedding', [40_000, 128], 1, random),
      weights('w1', [128, 256], 0.5, random),
      weights('w2', [256, 150], 0.1, random),
    ],
    node: [
      node('Gather', ['embedding', input], 'embedded'),
      node('ReduceMean', ['embedded'], 'mean', [axes, integer('keepdims', 0)]),
      node('MatMul', ['mean', 'w1'], 'hidden'),
      node('Relu', ['hidden'], 'active'),
      node('MatMul', ['active', 'w2'], 'logits'),
      node('Softmax', ['logits'], 'probabilities'),
      ...(output === 'best' ? best : []),
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

/** A tokenizer of words: `w0` is 0. */
const tokenizer = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordLevel',
    vocab: Object.fromEntries(Array.from({ length: 40_000 }, (_, id) => [`w${id}`, id])),
    unk_token: 'w0',
  },
};

/** Writes the models as a repository; `-single` are the same without batching, `words` the small one from strings. */
export async function writeModels(folder: string): Promise<void> {
  await write(join(folder, 'words/1'), small('probabilities', 'input_ids'), {
    name: 'words',
    version: '1',
    task: 'text-classification',
    labels: Array.from({ length: 150 }, (_, index) => `class ${index}`),
    preprocessing: { kind: 'tokenizer', tokenizer: 'tokenizer.json' },
  });
  await writeFile(join(folder, 'words/1/tokenizer.json'), JSON.stringify(tokenizer));
  for (const [name, bytes] of [
    ['small', small('best')],
    // Of any number of words.
    ['free', small('probabilities', 'input_ids')],
    ['wide', small('probabilities')],
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

/** Twelve words for `words`. */
export const text = rows.small
  .slice(0, 12)
  .map((id) => `w${id}`)
  .join(' ');
