import { createWriteStream } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import onnxProto from 'onnx-proto';
import { Random } from '../../functions/training/random.ts';

const { onnx } = onnxProto;
const { FLOAT, INT64 } = onnx.TensorProto.DataType;

/** Rows and columns of the embedding: 1.7 GB of float32, as the retailer's model had. */
export const ROWS = 3_320_000;
const WIDTH = 128;
const CLASSES = 150;
const BLOCK = 4 * 1024 * 1024;

/**
 * Writes a text model with an embedding of 1.7 GB inside its one file: ids int64[batch, words] → embedding → mean →
 * scores[batch, 150]. The file is larger than what a protobuf library takes in one piece, so the parts around the embedding
 * are encoded, and the rest is written in between. Keeps a file that is there.
 */
export async function writeLargeModel(path: string): Promise<void> {
  if (await stat(path).catch(() => null)) return;
  await mkdir(dirname(path), { recursive: true });
  await pipeline(Readable.from(parts()), createWriteStream(`${path}.part`));
  await rename(`${path}.part`, path);
}

function* parts(): Generator<Uint8Array> {
  const random = new Random(11);
  const bytes = ROWS * WIDTH * 4;
  const tensor = onnx.TensorProto.encode({ name: 'embedding', dims: [ROWS, WIDTH], dataType: FLOAT }).finish();
  const tensorHead = Buffer.concat([tensor, field(9, bytes)]);
  const graph = Buffer.concat([graphWithout(random), field(5, tensorHead.length + bytes), tensorHead]);
  const model = onnx.ModelProto.encode({
    irVersion: 8,
    producerName: 'maru',
    opsetImport: [{ domain: '', version: 17 }],
  }).finish();
  yield Buffer.concat([model, field(7, graph.length + bytes), graph]);
  const block = new Float32Array(BLOCK / 4);
  for (let index = 0; index < block.length; index += 1) block[index] = random.next() * 2 - 1;
  const filled = new Uint8Array(block.buffer);
  for (let left = bytes; left > 0; left -= BLOCK) yield filled.subarray(0, Math.min(left, BLOCK));
}

/** The graph but for its embedding. */
function graphWithout(random: Random): Uint8Array {
  const weights = Float32Array.from({ length: WIDTH * CLASSES }, () => random.next() * 2 - 1);
  const value = (name: string, elemType: number, last: object) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: [{ dimParam: 'batch' }, last] } } },
  });
  const integers = onnx.AttributeProto.AttributeType;
  return onnx.GraphProto.encode({
    name: 'large',
    input: [value('ids', INT64, { dimParam: 'words' })],
    output: [value('scores', FLOAT, { dimValue: CLASSES })],
    initializer: [
      { name: 'weights', dims: [WIDTH, CLASSES], dataType: FLOAT, rawData: new Uint8Array(weights.buffer) },
    ],
    node: [
      { opType: 'Gather', input: ['embedding', 'ids'], output: ['embedded'] },
      {
        opType: 'ReduceMean',
        input: ['embedded'],
        output: ['mean'],
        attribute: [
          { name: 'axes', ints: [1], type: integers.INTS },
          { name: 'keepdims', i: 0, type: integers.INT },
        ],
      },
      { opType: 'MatMul', input: ['mean', 'weights'], output: ['scores'] },
    ],
  }).finish();
}

/** The head of a length-delimited protobuf field: its tag, and its length as a varint. */
function field(number: number, length: number): Buffer {
  const head = [(number << 3) | 2];
  for (let left = length; ; left = Math.floor(left / 128)) {
    head.push(left >= 128 ? (left % 128) | 128 : left);
    if (left < 128) return Buffer.from(head);
  }
}
