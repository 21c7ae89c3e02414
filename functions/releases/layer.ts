import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { isAbsolute, join, posix } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import * as tar from 'tar';

/** One entry of a layer. `path` has no leading slash; folders end with one. */
interface Entry {
  path: string;
  type: 'File' | 'Directory' | 'SymbolicLink';
  mode: number;
  size: number;
  linkpath: string;
  file: string | null;
}

/** A layer: the digest of its tar (`diffId`, the same everywhere), and of its gzip. */
export interface Layer {
  diffId: string;
  digest: string;
  size: number;
}

const BLOCK = 512;
/** Fixed, and not the best: models hardly compress, and time is a person's. */
const GZIP_LEVEL = 6;
/** The byte of a gzip header that names the operating system, and its value for "unknown". */
const GZIP_OS = 9;
const UNKNOWN_OS = 255;
/** The greatest size that a tar header holds without an extension. */
const HEADER_SIZE = 0o77777777777;

/**
 * Packs folders as one layer: `folders` gives each one's place in the image. Names, contents, links and the executable bit
 * decide the bytes, and nothing else does: same input, same digest. Throws for what is neither file, folder nor link.
 */
export async function packLayer(folders: Record<string, string>, into: NodeJS.WritableStream): Promise<Layer> {
  const entries = new Map<string, Entry>();
  for (const [place, folder] of Object.entries(folders))
    for (const entry of await entriesOf(folder, place)) entries.set(entry.path, entry);
  // By bytes and not by a language's rules.
  const sorted = [...entries.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const plain = meter();
  const packed = meter();
  await pipeline(
    Readable.from(tarOf(sorted)),
    plain.stream,
    createGzip({ level: GZIP_LEVEL }),
    anyOs,
    packed.stream,
    into,
  );
  return { diffId: plain.digest(), digest: packed.digest(), size: packed.size() };
}

async function entriesOf(folder: string, place: string): Promise<Entry[]> {
  const directory = (path: string): Entry => ({
    path: `${path}/`,
    type: 'Directory',
    mode: 0o755,
    size: 0,
    linkpath: '',
    file: null,
  });
  const parts = place.split('/');
  const found = parts.map((_, index) => directory(parts.slice(0, index + 1).join('/')));
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    const path = `${place}/${name}`;
    const stat = await lstat(file);
    if (stat.isDirectory()) found.push(directory(path), ...(await entriesOf(file, path)));
    else if (stat.isSymbolicLink()) {
      const linkpath = await readlink(file);
      const target = posix.join(posix.dirname(path), linkpath);
      if (isAbsolute(linkpath) || !target.startsWith(`${parts[0]}/`))
        throw new Error(`${file} is a link out of its folder: the image would not have what it points at`);
      found.push({ path, type: 'SymbolicLink', mode: 0o777, size: 0, linkpath, file: null });
    } else if (stat.isFile())
      found.push({ path, type: 'File', mode: stat.mode & 0o100 ? 0o755 : 0o644, size: stat.size, linkpath: '', file });
    else throw new Error(`${file} is neither a file, a folder nor a link`);
  }
  return found;
}

async function* tarOf(entries: Entry[]): AsyncGenerator<Buffer> {
  for (const { path, type, mode, size, linkpath, file } of entries) {
    const block = Buffer.alloc(BLOCK);
    const header = new tar.Header({
      path,
      type,
      mode,
      size,
      linkpath,
      uid: 0,
      gid: 0,
      uname: '',
      gname: '',
      devmaj: 0,
      devmin: 0,
      mtime: new Date(0),
    });
    const more = { path, ...(linkpath ? { linkpath } : {}), ...(size > HEADER_SIZE ? { size } : {}), uid: 0, gid: 0 };
    // Names that are long or not ASCII need an extension, in front.
    if (header.encode(block, 0)) yield new tar.Pax(more as tar.HeaderData).encode();
    yield block;
    let read = 0;
    if (file)
      for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
        read += chunk.length;
        yield chunk;
      }
    if (read !== size) throw new Error(`${path} changed while it was read`);
    if (size % BLOCK) yield Buffer.alloc(BLOCK - (size % BLOCK));
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** zlib writes which operating system it ran on; a digest must not depend on that. */
async function* anyOs(gzipped: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const chunk of gzipped) {
    if (at <= GZIP_OS && at + chunk.length > GZIP_OS) chunk[GZIP_OS - at] = UNKNOWN_OS;
    at += chunk.length;
    yield chunk;
  }
}

/** Counts and hashes what flows through. */
function meter() {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, digest: () => `sha256:${hash.digest('hex')}`, size: () => size };
}
