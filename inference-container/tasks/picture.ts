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
/** Grain is smoothed before it is sought, with this deviation in pixels. */
const GRAIN = 1.2;

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
        .toColourspace(channels === 1 && !isSought ? 'b-w' : 'srgb')
        .removeAlpha();
      const { data, info } = await (isSought ? plain.blur(GRAIN) : plain).raw().toBuffer({ resolveWithObject: true });
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

/** Rows of pixels, one behind the other; `pixels` has `channels` bytes for each. */
interface Raster {
  pixels: Uint8Array;
  width: number;
  height: number;
}

/** How far a colour is from its ground, of 255, to belong to a subject, at least; and how much of the picture that takes. */
const [DIFFERENT, LEAST] = [7, 0.004];
/** So many times as far as nearly all of the border is: what grain and light make is no subject. */
const [OVER_GRAIN, NEARLY_ALL] = [1.6, 0.9];
/** Other grounds, such as a floor below a wall: so far from the first, of 255, and with so much of the border, at least. */
const [GROUNDS, ANOTHER, GROUND_LEAST] = [2, 14, 0.08];
/** The darkest that a subject is shown, of 1: what is as its ground in one place belongs to it all the same. */
const DARKEST = 0.3;
/** The same of what is drawn in lines. */
const DRAWN = 0.7;

/**
 * The subject of a photograph in colours, cut out: grey, as bright as it differs from its ground, on black. The grounds are those of the picture's
 * border: its light, a surface laid through it, and up to two other colours of it; the subject is what differs from all of them and
 * hangs together. Null: there is none.
 */
function findSubject({ pixels, width, height }: Raster): Raster | null {
  const count = width * height;
  const border = borderOf(width, height);
  const lights = [0, 1, 2].map((channel) => lightOf(border, pixels, channel, width, height));
  const colours: number[][] = [];
  /** How far a place is from its light, of 255. It runs for every pixel of every picture: plain numbers, and no arrays. */
  const unlit = (at: number) => {
    const [x, y] = [(at % width) / width - 0.5, Math.floor(at / width) / height - 0.5];
    let squares = 0;
    for (let channel = 0; channel < 3; channel += 1) {
      const light = lights[channel]!;
      const lit = light[0]! + light[1]! * x + light[2]! * y + light[3]! * x * x + light[4]! * x * y + light[5]! * y * y;
      squares += (pixels[3 * at + channel]! - Math.min(255, Math.max(0, lit))) ** 2;
    }
    return Math.sqrt(squares / 3);
  };
  const farthest = (at: number) => {
    let least = unlit(at);
    for (const [r, g, b] of colours) {
      const squares = (pixels[3 * at]! - r!) ** 2 + (pixels[3 * at + 1]! - g!) ** 2 + (pixels[3 * at + 2]! - b!) ** 2;
      least = Math.min(least, Math.sqrt(squares / 3));
    }
    return least;
  };
  // What of the border the light does not say is another ground, if there is enough of it.
  const others = border.filter((at) => unlit(at) > ANOTHER);
  const colourOf = (at: number) => [pixels[3 * at]!, pixels[3 * at + 1]!, pixels[3 * at + 2]!];
  colours.push(...groundsOf(others.map(colourOf), GROUND_LEAST * border.length));
  const away = new Float32Array(count);
  for (let at = 0; at < count; at += 1) away[at] = farthest(at);
  const grain = border.map((at) => away[at]!).sort((a, b) => a - b)[Math.floor(NEARLY_ALL * border.length)]!;
  const different = Math.max(DIFFERENT, OVER_GRAIN * grain, otsu(away) * 0.4);
  const places = largest(away, width, height, different);
  if (places.length < LEAST * count) return null;
  const { left, right, top, bottom } = frameOf(withoutThin(places, width, height), width);
  const found: Raster = { width: right - left + 1, height: bottom - top + 1, pixels: new Uint8Array(0) };
  found.pixels = new Uint8Array(found.width * found.height);
  const sorted = places.map((at) => away[at]!).sort((a, b) => a - b);
  const most = Math.max(1, sorted[Math.floor(0.95 * (sorted.length - 1))]!);
  // A drawing of lines: what they enclose is the subject, as much as they are.
  const enclosed = places.filter((at) => away[at]! < different).length;
  const darkest = enclosed > places.length / 2 ? DRAWN : DARKEST;
  for (const at of places) {
    const [x, y] = [at % width, Math.floor(at / width)];
    if (x < left || x > right || y < top || y > bottom) continue;
    const tone = darkest + (1 - darkest) * Math.min(1, away[at]! / most);
    found.pixels[(y - top) * found.width + (x - left)] = Math.round(255 * tone);
  }
  return found;
}

interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

function frameOf(places: readonly number[], width: number): Frame {
  const frame = { left: width, right: -1, top: Number.POSITIVE_INFINITY, bottom: -1 };
  for (const at of places) {
    const [x, y] = [at % width, Math.floor(at / width)];
    frame.left = Math.min(frame.left, x);
    frame.right = Math.max(frame.right, x);
    frame.top = Math.min(frame.top, y);
    frame.bottom = Math.max(frame.bottom, y);
  }
  return frame;
}

/** What is thinner than so many pixels to both sides does not widen the frame: a hook, the edge of a floor. */
const THIN = 2;

/** The places without what is thin (a morphological opening); all of them where little else is left. */
function withoutThin(places: number[], width: number, height: number): number[] {
  const isIn = new Uint8Array(width * height);
  for (const at of places) isIn[at] = 1;
  const square = (at: number, each: (other: number) => boolean): boolean => {
    const [x, y] = [at % width, Math.floor(at / width)];
    for (let dy = -THIN; dy <= THIN; dy += 1)
      for (let dx = -THIN; dx <= THIN; dx += 1) {
        const [u, v] = [x + dx, y + dy];
        if (u < 0 || v < 0 || u >= width || v >= height) continue;
        if (!each(v * width + u)) return false;
      }
    return true;
  };
  const cores = places.filter((at) => square(at, (other) => isIn[other] === 1));
  const opened = new Uint8Array(width * height);
  for (const at of cores)
    square(at, (other) => {
      opened[other] = 1;
      return true;
    });
  const kept = places.filter((at) => opened[at] === 1);
  return kept.length >= places.length / 2 ? kept : places;
}

/** The distance of two colours, from 0 to 255. */
function apart(one: readonly number[], other: readonly number[]): number {
  return Math.hypot(one[0]! - other[0]!, one[1]! - other[1]!, one[2]! - other[2]!) / Math.sqrt(3);
}

/** The places of the border. */
function borderOf(width: number, height: number): number[] {
  const depth = Math.max(1, Math.round(0.04 * Math.min(width, height)));
  return Array.from({ length: width * height }, (_, at) => at).filter((at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    return x < depth || y < depth || x >= width - depth || y >= height - depth;
  });
}

/** Light falls from somewhere, and less into corners: a surface of the second order, by the place from −0.5 to 0.5. */
function termsOf(at: number, width: number, height: number): number[] {
  const [x, y] = [(at % width) / width - 0.5, Math.floor(at / width) / height - 0.5];
  return [1, x, y, x * x, x * y, y * y];
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, at) => sum + value * b[at]!, 0);

/** The light of one channel of the border; what is far off, where a subject reaches it, counts no more. */
function lightOf(
  border: readonly number[],
  pixels: Uint8Array,
  channel: number,
  width: number,
  height: number,
): number[] {
  let points = border.map((at) => ({ terms: termsOf(at, width, height), value: pixels[3 * at + channel]! }));
  const middle = points.map(({ value }) => value).sort((a, b) => a - b)[points.length >> 1]!;
  let light = [middle, 0, 0, 0, 0, 0];
  for (const most of [64, 32, 24]) {
    const near = points.filter(({ terms, value }) => Math.abs(value - dot(light, terms)) <= most);
    if (near.length < points.length / 4) break;
    points = near;
    light = leastSquares(points) ?? light;
  }
  return light;
}

/** The colours of some points (k-means, from colours that are far apart), of those that stand for so many. */
function groundsOf(points: readonly number[][], least: number): number[][] {
  if (points.length < least) return [];
  const means = [points[0]!];
  while (means.length < GROUNDS) {
    const distances = points.map((point) => Math.min(...means.map((mean) => apart(point, mean))));
    means.push(points[distances.indexOf(Math.max(...distances))]!);
  }
  let counts: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    const sums = means.map(() => [0, 0, 0, 0]);
    for (const point of points) {
      const distances = means.map((mean) => apart(point, mean));
      const own = sums[distances.indexOf(Math.min(...distances))]!;
      for (let channel = 0; channel < 3; channel += 1) own[channel]! += point[channel]!;
      own[3]! += 1;
    }
    counts = sums.map(([, , , size]) => size!);
    for (const [place, [r, g, b, size]] of sums.entries())
      if (size! > 0) means[place] = [r! / size!, g! / size!, b! / size!];
  }
  return means.filter((_, place) => counts[place]! >= least);
}

function leastSquares(points: readonly { terms: readonly number[]; value: number }[]): number[] | null {
  const size = points[0]?.terms.length ?? 0;
  const m = Array.from({ length: size }, () => new Array<number>(size + 1).fill(0));
  for (const { terms, value } of points)
    for (let i = 0; i < size; i += 1) {
      for (let j = 0; j < size; j += 1) m[i]![j]! += terms[i]! * terms[j]!;
      m[i]![size]! += terms[i]! * value;
    }
  for (let i = 0; i < size; i += 1) {
    if (Math.abs(m[i]![i]!) < 1e-9) return null;
    for (let j = 0; j < size; j += 1) {
      if (j === i) continue;
      const factor = m[j]![i]! / m[i]![i]!;
      for (let k = i; k <= size; k += 1) m[j]![k]! -= factor * m[i]![k]!;
    }
  }
  return m.map((row, i) => row[size]! / row[i]!);
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
