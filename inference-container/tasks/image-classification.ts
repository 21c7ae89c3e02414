import { Tensor } from 'onnxruntime-node';
import type { Manifest } from '../models/manifest.ts';
import { classificationOutputs, classify, toTensors } from './classification.ts';
import { InvalidRow, type RowTask } from './task.ts';

/** Bytes of one encoded picture, and its pixels in all: a small file may unpack to gigabytes. */
const BYTES_LIMIT = 20 * 1024 * 1024;
const PIXEL_LIMIT = 50_000_000;
const SIDE_LIMIT = 16_384;

/** PNG, JPEG or WebP in, a label with its score out. The model takes one float input [batch, 3, h, w] or [batch, h, w, 3]. */
export const imageClassification: RowTask = {
  inputs: [{ name: 'image', datatype: 'BYTES', shape: [-1] }],
  outputs: classificationOutputs,
  fromInstance(instance) {
    const given = typeof instance === 'object' && instance !== null && 'b64' in instance ? instance.b64 : instance;
    return fromBase64(given);
  },
  fromTensors: ({ image }) =>
    ((image?.data ?? []) as unknown[]).map((given) => (given instanceof Uint8Array ? bytes(given) : fromBase64(given))),
  toTensors,
  async createRunner({ preprocessing, labels, threshold }, _folder, inputs) {
    if (preprocessing?.kind !== 'image') throw new Error('image-classification needs preprocessing of kind "image"');
    const { default: sharp } = await import('sharp');
    const input = inputs[0] ?? 'image';
    const { width, height } = preprocessing;
    return {
      async prepare(row) {
        try {
          const picture = sharp(row as Uint8Array, { limitInputPixels: PIXEL_LIMIT, failOn: 'error' });
          const { format, width: wide = 0, height: high = 0 } = await picture.metadata();
          if (!['png', 'jpeg', 'webp'].includes(format ?? ''))
            throw new InvalidRow(`a picture must be PNG, JPEG or WebP, not ${format}`);
          if (wide > SIDE_LIMIT || high > SIDE_LIMIT)
            throw new InvalidRow(`a picture has more than ${SIDE_LIMIT} pixels on a side`);
          const pixels = await picture
            .rotate()
            .resize(width, height, { fit: preprocessing.fit })
            .flatten({ background: '#fff' })
            .toColourspace('srgb')
            .removeAlpha()
            .raw()
            .toBuffer();
          return scaled(pixels, preprocessing);
        } catch (error) {
          if (error instanceof InvalidRow) throw error;
          throw new InvalidRow(
            `not a picture that can be read: ${error instanceof Error ? error.message.split('\n')[0] : error}`,
          );
        }
      },
      feeds(prepared) {
        const rows = prepared as Float32Array[];
        const size = width * height * 3;
        const data = new Float32Array(rows.length * size);
        for (const [index, row] of rows.entries()) data.set(row, index * size);
        const shape =
          preprocessing.layout === 'nchw' ? [rows.length, 3, height, width] : [rows.length, height, width, 3];
        return { [input]: new Tensor('float32', data, shape) };
      },
      results: (outputs, rows) => classify(outputs, rows, labels, threshold),
    };
  },
};

type ImagePreprocessing = Extract<NonNullable<Manifest['preprocessing']>, { kind: 'image' }>;

function scaled(pixels: Uint8Array, { layout, mean, std }: ImagePreprocessing): Float32Array {
  const count = pixels.length / 3;
  const values = new Float32Array(pixels.length);
  for (let pixel = 0; pixel < count; pixel += 1)
    for (let channel = 0; channel < 3; channel += 1) {
      const value = (pixels[pixel * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
      values[layout === 'nchw' ? channel * count + pixel : pixel * 3 + channel] = value;
    }
  return values;
}

function fromBase64(given: unknown): Uint8Array {
  if (typeof given !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(given))
    throw new InvalidRow('a picture must be base64');
  return bytes(Buffer.from(given, 'base64'));
}

function bytes(given: Uint8Array): Uint8Array {
  if (given.length === 0) throw new InvalidRow('a picture has no bytes');
  if (given.length > BYTES_LIMIT) throw new InvalidRow(`a picture has more than ${BYTES_LIMIT} bytes`);
  return given;
}
