import type { Manifest } from '../models/manifest.ts';
import { InvalidRow } from './task.ts';

/** A picture as a network sees it: made so in training and when it is served. */
export type ImagePreprocessing = Extract<NonNullable<Manifest['preprocessing']>, { kind: 'image' }>;

/** Bytes of one encoded picture, and its pixels in all: a small file may unpack to gigabytes. */
const BYTES_LIMIT = 20 * 1024 * 1024;
const PIXEL_LIMIT = 50_000_000;
const SIDE_LIMIT = 16_384;
/** What a subject is sought in: a photograph of any size is made so small first. */
const SOUGHT = 192;

export type SeePicture = (bytes: Uint8Array) => Promise<Uint8Array>;

/** Reads pictures: PNG, JPEG or WebP → [height, width, channels] bytes. Throws {@link InvalidRow}. */
export async function pictureReader(preprocessing: ImagePreprocessing): Promise<SeePicture> {
  const { default: sharp } = await import('sharp');
  const { width, height, fit, channels, subject } = preprocessing;
  return async (bytes) => {
    if (bytes.length === 0) throw new InvalidRow('a picture has no bytes');
    if (bytes.length > BYTES_LIMIT) throw new InvalidRow(`a picture has more than ${BYTES_LIMIT} bytes`);
    try {
      const picture = sharp(bytes, { limitInputPixels: PIXEL_LIMIT, failOn: 'error' });
      const { format, width: wide = 0, height: high = 0 } = await picture.metadata();
      if (!['png', 'jpeg', 'webp'].includes(format ?? ''))
        throw new InvalidRow(`a picture must be PNG, JPEG or WebP, not ${format}`);
      if (wide > SIDE_LIMIT || high > SIDE_LIMIT)
        throw new InvalidRow(`a picture has more than ${SIDE_LIMIT} pixels on a side`);
      // One of the network's own size is what it saw.
      const isSought = subject !== undefined && (wide !== width || high !== height);
      const plain = picture
        .rotate()
        .resize(
          isSought
            ? { width: SOUGHT, height: SOUGHT, fit: 'inside', withoutEnlargement: true }
            : { width, height, fit },
        )
        .flatten({ background: '#fff' })
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .removeAlpha()
        .raw();
      const { data, info } = await plain.toBuffer({ resolveWithObject: true });
      if (!isSought) return data;
      const found = findSubject({ pixels: data, width: info.width, height: info.height });
      if (!found) return new Uint8Array(width * height);
      const inner = { width: width - 2 * subject.margin, height: height - 2 * subject.margin };
      const fitted = await sharp(found.pixels, { raw: { width: found.width, height: found.height, channels: 1 } })
        .resize({ ...inner, fit: 'contain', background: '#000' })
        .extend({
          top: subject.margin,
          bottom: subject.margin,
          left: subject.margin,
          right: subject.margin,
          background: '#000',
        })
        .toColourspace('b-w')
        .raw()
        .toBuffer();
      return fitted;
    } catch (error) {
      if (error instanceof InvalidRow) throw error;
      throw new InvalidRow(
        `not a picture that can be read: ${error instanceof Error ? error.message.split('\n')[0] : error}`,
      );
    }
  };
}

interface Grey {
  /** [height, width] */
  pixels: Uint8Array;
  width: number;
  height: number;
}

/** How much brighter or darker than its ground a pixel of a subject is, of 255, at least; and how much of the picture it takes. */
const [DIFFERENT, LEAST] = [24, 0.002];

/**
 * The subject of a photograph, cut out: as bright as it was different from its ground, on black. The ground is a plane that is laid through the
 * border of the picture, since light falls from somewhere; the subject is what differs from it most and hangs together. Null: there is none.
 */
function findSubject({ pixels, width, height }: Grey): Grey | null {
  const ground = groundOf(pixels, width, height);
  const away = new Float32Array(pixels.length);
  // Dark on light, or light on dark: by what most of what differs is.
  let [darker, lighter] = [0, 0];
  for (let at = 0; at < pixels.length; at += 1) {
    away[at] = ground(at % width, Math.floor(at / width)) - pixels[at]!;
    if (away[at]! > DIFFERENT) darker += away[at]!;
    else if (away[at]! < -DIFFERENT) lighter -= away[at]!;
  }
  const sign = darker >= lighter ? 1 : -1;
  const value = away.map((difference) => Math.max(0, sign * difference));
  const threshold = Math.max(DIFFERENT, otsu(value) * 0.5);
  const places = largest(value, width, height, threshold);
  if (places.length < LEAST * pixels.length) return null;
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (const at of places) {
    const [x, y] = [at % width, Math.floor(at / width)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  const found: Grey = { width: right - left + 1, height: bottom - top + 1, pixels: new Uint8Array(0) };
  found.pixels = new Uint8Array(found.width * found.height);
  // As in a studio: white where the ground is, whatever light was on it.
  const light = groundLight(pixels, width, height);
  for (const at of places) {
    const [x, y] = [at % width, Math.floor(at / width)];
    const full = sign > 0 ? light(x, y) : 255 - light(x, y);
    found.pixels[(y - top) * found.width + (x - left)] = Math.min(
      255,
      Math.round((255 * value[at]!) / Math.max(32, full)),
    );
  }
  return found;
}

/** The light of the ground at a place. */
const groundLight = (pixels: Uint8Array, width: number, height: number) => groundOf(pixels, width, height);

/** A plane through the pixels of the border, by least squares; those that are far off, where a subject reaches the border, count no more. */
function groundOf(pixels: Uint8Array, width: number, height: number): (x: number, y: number) => number {
  const depth = Math.max(1, Math.round(0.04 * Math.min(width, height)));
  let border: { x: number; y: number; value: number }[] = [];
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1)
      if (x < depth || y < depth || x >= width - depth || y >= height - depth)
        border.push({ x: x / width - 0.5, y: y / height - 0.5, value: pixels[y * width + x]! });
  const middle = border.map(({ value }) => value).sort((a, b) => a - b)[border.length >> 1]!;
  let plane = [middle, 0, 0];
  const at = ({ x, y }: { x: number; y: number }) => plane[0]! + plane[1]! * x + plane[2]! * y;
  for (const most of [64, 32, 24]) {
    border = border.filter((one) => Math.abs(one.value - at(one)) <= most);
    if (border.length < 16) break;
    plane = leastSquares(border) ?? plane;
  }
  return (x, y) => Math.min(255, Math.max(0, at({ x: x / width - 0.5, y: y / height - 0.5 })));
}

function leastSquares(points: readonly { x: number; y: number; value: number }[]): number[] | null {
  const m = [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ];
  for (const { x, y, value } of points) {
    const row = [1, x, y, value];
    for (let i = 0; i < 3; i += 1) for (let j = 0; j < 4; j += 1) m[i]![j]! += row[i]! * row[j]!;
  }
  for (let i = 0; i < 3; i += 1) {
    if (Math.abs(m[i]![i]!) < 1e-9) return null;
    for (let j = 0; j < 3; j += 1) {
      if (j === i) continue;
      const factor = m[j]![i]! / m[i]![i]!;
      for (let k = 0; k < 4; k += 1) m[j]![k]! -= factor * m[i]![k]!;
    }
  }
  return m.map((row, i) => row[3]! / row[i]!);
}

/** The threshold that parts values best into two (Otsu 1979). */
function otsu(values: Float32Array): number {
  const counts = new Float64Array(256);
  for (const value of values) counts[Math.min(255, Math.floor(value))]! += 1;
  let [total, sum] = [0, 0];
  for (const [value, count] of counts.entries()) [total, sum] = [total + count, sum + value * count];
  let [below, belowSum, best, found] = [0, 0, -1, 0];
  for (let value = 0; value < 255; value += 1) {
    below += counts[value]!;
    belowSum += value * counts[value]!;
    if (below === 0 || below === total) continue;
    const apart = (belowSum / below - (sum - belowSum) / (total - below)) ** 2 * below * (total - below);
    if (apart > best) [best, found] = [apart, value + 1];
  }
  return found;
}

/** The places over a threshold that hang together, of the largest such part and of those that are nearly as large; holes are filled in. */
function largest(value: Float32Array, width: number, height: number, threshold: number): number[] {
  const part = new Int32Array(value.length);
  const parts: number[][] = [];
  for (let start = 0; start < value.length; start += 1) {
    if (part[start] !== 0 || value[start]! < threshold) continue;
    const own = [start];
    part[start] = parts.length + 1;
    for (let next = 0; next < own.length; next += 1) {
      const at = own[next]!;
      const x = at % width;
      for (const other of [x > 0 ? at - 1 : -1, x < width - 1 ? at + 1 : -1, at - width, at + width]) {
        if (other < 0 || other >= width * height || part[other] !== 0 || value[other]! < threshold) continue;
        part[other] = parts.length + 1;
        own.push(other);
      }
    }
    parts.push(own);
  }
  const most = parts.reduce((size, own) => Math.max(size, own.length), 0);
  const kept = parts.filter((own) => own.length >= NEARLY * most).flat();
  const isKept = new Uint8Array(value.length);
  for (const at of kept) isKept[at] = 1;
  // What is enclosed belongs to it: a light print on a dark shirt.
  const outside = new Uint8Array(value.length);
  const reached: number[] = [];
  const reach = (at: number) => {
    if (isKept[at] || outside[at]) return;
    outside[at] = 1;
    reached.push(at);
  };
  for (let x = 0; x < width; x += 1) for (const y of [0, height - 1]) reach(y * width + x);
  for (let y = 0; y < height; y += 1) for (const x of [0, width - 1]) reach(y * width + x);
  for (let next = 0; next < reached.length; next += 1) {
    const at = reached[next]!;
    const x = at % width;
    if (x > 0) reach(at - 1);
    if (x < width - 1) reach(at + 1);
    if (at >= width) reach(at - width);
    if (at < value.length - width) reach(at + width);
  }
  return Array.from({ length: value.length }, (_, at) => at).filter((at) => !outside[at]);
}

/** Parts of a subject that are so large beside its largest belong to it: the other shoe. */
const NEARLY = 0.2;
