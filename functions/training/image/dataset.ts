import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { gunzipSync } from 'node:zlib';
import papaparse from 'papaparse';
import { type ImagePreprocessing, pictureReader } from '../../../inference-container/tasks/picture.ts';
import { InvalidRow } from '../../../inference-container/tasks/task.ts';
import { DatasetError, NONE } from '../dataset.ts';
import { Random } from '../random.ts';

/** Pictures of one size, [count, side, side, channels], and the class of each by its place among the labels. */
export interface Pictures {
  pixels: Uint8Array;
  labels: Int32Array;
}

export interface PictureDataset {
  labels: string[];
  /** Pixels of a side, and values of a pixel. */
  side: number;
  channels: 1 | 3;
  train: Pictures;
  /** Pictures of no class: those that are named `none`. */
  outside: Uint8Array;
  /** Read when it is asked for: nothing may be chosen on it. Null: there is none. */
  test: (() => Pictures) | null;
  /** What was left out, in words. */
  dropped: string[];
  sha256: string;
}

export interface ReadOptions {
  preprocessing: ImagePreprocessing;
  /** Names of the classes of IDX files, which have numbers alone. */
  names?: readonly string[] | undefined;
  progress(share: number): void;
}

/** Pictures that fit into memory, and classes; of a class at least so many. */
const [PICTURES_LIMIT, CLASSES_LIMIT, LEAST] = [200_000, 1_000, 2];
const BYTES_LIMIT = 2 ** 30;
/** Files that are read at once. */
const AT_ONCE = 8;
const FORMATS = new Set(['.png', '.jpg', '.jpeg', '.webp']);
const IDX = {
  train: ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'],
  test: ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'],
} as const;

/**
 * Reads pictures to train on: a folder with IDX files; a folder of folders, each named as the class of its pictures, or such folders `train` and
 * `test`; a CSV with the columns `file` and `label`, whose files lie below its folder. Throws a {@link DatasetError}.
 */
export async function readPictures(source: string, options: ReadOptions): Promise<PictureDataset> {
  const found = await stat(source).catch(() => null);
  if (!found) throw new DatasetError(`${source} is not there`);
  const { width, height, channels } = options.preprocessing;
  if (width !== height) throw new DatasetError('pictures must be as wide as they are high');
  if (!found.isDirectory()) return await fromFiles(await listed(source), null, options);
  const names = await readdir(source);
  const isIdx = names.some((name) => name.startsWith(IDX.train[0]));
  if (isIdx) return await fromIdx(source, names, { ...options, side: width, channels });
  if (names.includes('train') && (await hasFolders(join(source, 'train')))) {
    const test = names.includes('test') ? await classesOf(join(source, 'test')) : null;
    return await fromFiles(await classesOf(join(source, 'train')), test, options);
  }
  return await fromFiles(await classesOf(source), null, options);
}

async function hasFolders(folder: string): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.some((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
}

interface Named {
  file: string;
  label: string;
}

/** The pictures of a folder of folders. */
async function classesOf(folder: string): Promise<Named[]> {
  const found: Named[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    // A link is read as what it leads to.
    for (const file of await readdir(join(folder, entry.name), { recursive: true, withFileTypes: true }))
      if ((file.isFile() || file.isSymbolicLink()) && !file.name.startsWith('.'))
        found.push({ file: join(file.parentPath, file.name), label: entry.name });
  }
  if (found.length === 0)
    throw new DatasetError(`${folder} has no folders of pictures: one folder a class, named as the class is`);
  return found.sort((a, b) => (a.file < b.file ? -1 : 1));
}

async function listed(file: string): Promise<Named[]> {
  if (extname(file).toLowerCase() !== '.csv')
    throw new DatasetError(`${basename(file)}: a folder of pictures, IDX files, or a CSV with the columns file,label`);
  if ((await stat(file)).size > 64 * 1024 * 1024) throw new DatasetError(`${basename(file)} has more than 64 MB`);
  const { data, errors, meta } = papaparse.parse<Record<string, string>>(await readFile(file, 'utf8'), {
    header: true,
    skipEmptyLines: true,
  });
  if (!meta.fields?.includes('file') || !meta.fields.includes('label'))
    throw new DatasetError(`${basename(file)} needs the columns file,label`);
  if (errors[0]) throw new DatasetError(`${basename(file)}, line ${(errors[0].row ?? 0) + 2}: ${errors[0].message}`);
  const folder = resolve(dirname(file));
  return data.map((row, index) => {
    const path = resolve(folder, row.file ?? '');
    if (relative(folder, path).startsWith(`..${sep}`) || relative(folder, path) === '..')
      throw new DatasetError(`${basename(file)}, line ${index + 2}: ${row.file} is not below the folder of the file`);
    return { file: path, label: (row.label ?? '').trim() };
  });
}

async function fromFiles(
  train: Named[],
  test: Named[] | null,
  { preprocessing, progress }: ReadOptions,
): Promise<PictureDataset> {
  const all = train.length + (test?.length ?? 0);
  const { width: side, channels } = preprocessing;
  const size = side * side * channels;
  limit(all, size);
  const see = await pictureReader(preprocessing);
  const hash = createHash('sha256').update(JSON.stringify(preprocessing));
  let done = 0;
  const read = async (files: Named[], split: string) => {
    const pixels = new Uint8Array(files.length * size);
    const isRead = new Uint8Array(files.length);
    const reasons = new Array<string | null>(files.length).fill(null);
    const queue = [...files.entries()];
    const work = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const [index, { file }] = next;
        reasons[index] = await seen(file, index);
        done += 1;
        if (done % 100 === 0) progress(done / all);
      }
    };
    const seen = async (file: string, index: number): Promise<string | null> => {
      if (!FORMATS.has(extname(file).toLowerCase())) return 'are no PNG, JPEG or WebP files';
      try {
        pixels.set(await see(await readFile(file)), index * size);
        isRead[index] = 1;
        return null;
      } catch (error) {
        if (error instanceof InvalidRow) return 'can’t be read as pictures';
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') return 'are not there';
        // A folder, a file that nobody may read, a name that none has.
        if (code) return 'can’t be read as files';
        throw error;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const kept = files.flatMap(({ label }, index) => (isRead[index] && label ? [{ index, label }] : []));
    for (const { index, label } of kept)
      hash.update(`${split} ${label}\n`).update(pixels.subarray(index * size, (index + 1) * size));
    // In the order of the files, whoever was read first.
    const unread = new Map<string, number>();
    for (const [index, { label }] of files.entries()) {
      const why = reasons[index] ?? (label ? null : 'have no label');
      if (why) unread.set(why, (unread.get(why) ?? 0) + 1);
    }
    return { pixels, kept, dropped: [...unread].map(([why, count]) => `${count} files of ${split} ${why}`) };
  };
  const given = await read(train, 'train');
  const counts = Map.groupBy(given.kept, ({ label }) => label);
  const few = [...counts].filter(([label, own]) => label !== NONE && own.length < LEAST).map(([label]) => label);
  const labels = [...counts.keys()].filter((label) => label !== NONE && !few.includes(label)).sort();
  checkClasses(labels.length);
  const places = new Map(labels.map((label, place) => [label, place]));
  const taken = (pixels: Uint8Array, rows: { index: number; label: string }[]): Pictures => {
    const own = rows.filter(({ label }) => places.has(label));
    return {
      pixels: gathered(
        pixels,
        own.map(({ index }) => index),
        size,
      ),
      labels: Int32Array.from(own, ({ label }) => places.get(label)!),
    };
  };
  const held = test ? await read(test, 'test') : null;
  const unknown = held?.kept.filter(({ label }) => !places.has(label)).length ?? 0;
  const dropped = [...given.dropped, ...(held?.dropped ?? [])];
  if (unknown > 0) dropped.push(`${unknown} pictures of test are of no class that is trained`);
  if (few.length > 0)
    dropped.push(
      `${few.length} classes with fewer than ${LEAST} pictures: ${few.slice(0, 5).join(', ')}${few.length > 5 ? ' …' : ''}`,
    );
  return {
    ...{ labels, side, channels, dropped },
    train: taken(given.pixels, given.kept),
    outside: gathered(
      given.pixels,
      given.kept.filter(({ label }) => label === NONE).map(({ index }) => index),
      size,
    ),
    test: held && held.kept.length > unknown ? () => taken(held.pixels, held.kept) : null,
    sha256: hash.digest('hex'),
  };
}

async function fromIdx(
  folder: string,
  files: readonly string[],
  { side, channels, names }: Pick<ReadOptions, 'names'> & { side: number; channels: 1 | 3 },
): Promise<PictureDataset> {
  const hash = createHash('sha256');
  const split = async (of: 'train' | 'test'): Promise<Pictures | null> => {
    const [pictures, labels] = IDX[of].map((name) => files.find((file) => file === name || file === `${name}.gz`));
    if (!pictures || !labels) return null;
    const images = idx(await unpacked(join(folder, pictures), hash), 3, pictures);
    const classes = idx(await unpacked(join(folder, labels), hash), 1, labels);
    if (images.dims[1] !== side || images.dims[2] !== side)
      throw new DatasetError(
        `${pictures}: pictures of ${images.dims[1]} × ${images.dims[2]}, and the network sees ${side} × ${side}`,
      );
    if (channels !== 1) throw new DatasetError(`${pictures}: IDX files have grey pictures`);
    if (images.dims[0] !== classes.dims[0]) throw new DatasetError(`${pictures} and ${labels} have different numbers`);
    limit(images.dims[0]!, side * side);
    return { pixels: images.values, labels: Int32Array.from(classes.values) };
  };
  const [train, test] = [await split('train'), await split('test')];
  if (!train) throw new DatasetError(`${folder} has no ${IDX.train.join(' and ')}`);
  const count = train.labels.reduce((most, label) => Math.max(most, label + 1), 0);
  checkClasses(new Set(train.labels).size);
  if (names && names.length !== count) throw new DatasetError(`--labels: ${names.length} names for ${count} classes`);
  if (names && (new Set(names).size < count || names.some((name) => name === '' || name === NONE)))
    throw new DatasetError(`--labels: each class needs a name of its own, and none may be “${NONE}”`);
  const each = new Map<number, number>();
  for (const label of train.labels) each.set(label, (each.get(label) ?? 0) + 1);
  for (let label = 0; label < count; label += 1)
    if ((each.get(label) ?? 0) < LEAST)
      throw new DatasetError(`class ${label} has ${each.get(label) ?? 0} pictures: at least ${LEAST} are needed`);
  if (test?.labels.some((label) => label >= count))
    throw new DatasetError(`${IDX.test[1]} has a class that ${IDX.train[1]} has not`);
  return {
    labels: Array.from({ length: count }, (_, place) => names?.[place] ?? String(place)),
    ...{ side, channels, train, outside: new Uint8Array(0), dropped: [] },
    test: test && test.labels.length > 0 ? () => test : null,
    sha256: hash.digest('hex'),
  };
}

/** A file's bytes, unpacked where it ends in `.gz`; no more than fit into memory. */
async function unpacked(file: string, hash: { update(data: Uint8Array): unknown }): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(file)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  hash.update(bytes);
  if (!file.endsWith('.gz')) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: BYTES_LIMIT });
  } catch (error) {
    throw new DatasetError(`${basename(file)} can’t be unpacked: ${error instanceof Error ? error.message : error}`);
  }
}

/** An IDX file of bytes: two zeros, 8 for bytes, the number of dimensions, each as four bytes, and the values. */
function idx(bytes: Uint8Array, dimensions: number, name: string): { dims: number[]; values: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = 4 + 4 * dimensions;
  if (bytes.length < head || view.getUint32(0) !== (8 << 8) + dimensions)
    throw new DatasetError(`${name} is no IDX file of ${dimensions} ${dimensions === 1 ? 'dimension' : 'dimensions'}`);
  const dims = Array.from({ length: dimensions }, (_, at) => view.getUint32(4 + 4 * at));
  const size = dims.reduce((all, dim) => all * dim, 1);
  if (bytes.length !== head + size)
    throw new DatasetError(`${name} should have ${head + size} bytes, and has ${bytes.length}`);
  return { dims, values: bytes.subarray(head) };
}

function limit(count: number, size: number): void {
  if (count > PICTURES_LIMIT || count * size > BYTES_LIMIT)
    throw new DatasetError(
      `${count} pictures are more than the ${Math.min(PICTURES_LIMIT, Math.floor(BYTES_LIMIT / size))} that fit into memory; train on a sample`,
    );
}

function checkClasses(count: number): void {
  if (count < 2)
    throw new DatasetError(
      `at least 2 classes with ${LEAST} pictures each are needed; there ${count === 1 ? 'is 1' : 'are none'}`,
    );
  if (count > CLASSES_LIMIT)
    throw new DatasetError(`${count} classes are more than the ${CLASSES_LIMIT} that can be told apart`);
}

function gathered(pixels: Uint8Array, places: readonly number[], size: number): Uint8Array {
  const found = new Uint8Array(places.length * size);
  for (const [to, from] of places.entries()) found.set(pixels.subarray(from * size, (from + 1) * size), to * size);
  return found;
}

/** Held out of the training: of each class the same share, by chance; the same seed holds out the same. */
export function split(
  { pixels, labels }: Pictures,
  share: number,
  size: number,
  seed: number,
): { train: Pictures; held: Pictures } {
  const random = new Random(seed);
  const isHeld = new Uint8Array(labels.length);
  for (const own of Map.groupBy(labels.keys(), (index) => labels[index]!).values()) {
    const count = Math.max(1, Math.round(share * own.length));
    for (const index of random.shuffle([...own]).slice(0, Math.min(count, own.length - 1))) isHeld[index] = 1;
  }
  const taken = (held: number): Pictures => {
    const places = [...labels.keys()].filter((index) => isHeld[index] === held);
    return { pixels: gathered(pixels, places, size), labels: Int32Array.from(places, (index) => labels[index]!) };
  };
  return { train: taken(0), held: taken(1) };
}
