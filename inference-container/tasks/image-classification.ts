import { Tensor } from 'onnxruntime-node';
import { classificationOutputs, classify, toTensors } from './classification.ts';
import { type ImagePreprocessing, pictureReader } from './picture.ts';
import { InvalidRow, type RowTask } from './task.ts';

/** PNG, JPEG or WebP in, a label with its score out. The model takes one float input [batch, channels, h, w] or [batch, h, w, channels]. */
export const imageClassification: RowTask = {
  inputs: [{ name: 'image', datatype: 'BYTES', shape: [-1] }],
  outputs: classificationOutputs,
  fromInstance(instance) {
    const given = typeof instance === 'object' && instance !== null && 'b64' in instance ? instance.b64 : instance;
    return fromBase64(given);
  },
  fromTensors: ({ image }) =>
    ((image?.data ?? []) as unknown[]).map((given) => (given instanceof Uint8Array ? given : fromBase64(given))),
  toTensors,
  async createRunner({ preprocessing, labels, threshold }, _folder, inputs) {
    if (preprocessing?.kind !== 'image') throw new Error('image-classification needs preprocessing of kind "image"');
    const input = inputs[0] ?? 'image';
    const { width, height, channels } = preprocessing;
    const see = await pictureReader(preprocessing);
    return {
      prepare: async (row) => scaled(await see(row as Uint8Array), preprocessing),
      feeds(prepared) {
        const rows = prepared as Float32Array[];
        const size = width * height * channels;
        const data = new Float32Array(rows.length * size);
        for (const [index, row] of rows.entries()) data.set(row, index * size);
        const shape =
          preprocessing.layout === 'nchw'
            ? [rows.length, channels, height, width]
            : [rows.length, height, width, channels];
        return { [input]: new Tensor('float32', data, shape) };
      },
      results: (outputs, rows) => classify(outputs, rows, labels, threshold),
    };
  },
};

function scaled(pixels: Uint8Array, { layout, mean, std, channels }: ImagePreprocessing): Float32Array {
  const count = pixels.length / channels;
  const values = new Float32Array(pixels.length);
  for (let pixel = 0; pixel < count; pixel += 1)
    for (let channel = 0; channel < channels; channel += 1) {
      const value = (pixels[pixel * channels + channel]! / 255 - mean[channel]!) / std[channel]!;
      values[layout === 'nchw' ? channel * count + pixel : pixel * channels + channel] = value;
    }
  return values;
}

function fromBase64(given: unknown): Uint8Array {
  if (typeof given !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(given))
    throw new InvalidRow('a picture must be base64');
  return Buffer.from(given, 'base64');
}
