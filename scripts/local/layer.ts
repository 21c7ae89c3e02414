import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import * as tar from 'tar';

/**
 * Unpacks a layer of an image over what lies in a folder, with its whiteouts (OCI image-spec, layer.md). Whoever made the layer
 * is not trusted: every path is followed link by link with the folder as its root, so that nothing outside can be written, read
 * or removed; of a mode only "executable" is taken; devices and pipes are left out; bytes and entries have a limit.
 */
export interface LayerLimits {
  /** Of the plain tar. */
  bytes: number;
  entries: number;
}

const LIMITS: LayerLimits = { bytes: 8 * 1024 ** 3, entries: 500_000 };
const LINKS_LIMIT = 40;
/** How gzip and zstd begin. */
const COMPRESSED = [Buffer.from([0x1f, 0x8b]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd])];
const MAGIC_BYTES = 4;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** Throws for what is not a layer, leaves the folder, or is over a limit; what was unpacked until then stays. */
export async function unpackLayer(
  layer: Readable,
  root: string,
  gzipped: boolean,
  limits: LayerLimits = LIMITS,
): Promise<void> {
  const target = new Folder(root, limits.entries);
  let refused: Error | undefined;
  let entries = 0;
  const parser = new tar.Parser({
    onwarn(code, message) {
      if (code !== 'TAR_ENTRY_INFO') refused ??= new Error(`layer refused: ${message}`);
    },
    onReadEntry(entry) {
      try {
        entries += 1;
        if (entries > limits.entries) throw new Error(`layer refused: more than ${limits.entries} entries`);
        if (!refused) target.write(entry);
      } catch (error) {
        refused ??= error as Error;
      }
      entry.resume();
    },
  });
  const ended = new Promise<void>((done, failed) => {
    parser.once('end', done);
    parser.once('error', failed);
  });
  ended.catch(() => undefined);
  let bytes = 0;
  let start: Buffer = Buffer.alloc(0);
  try {
    // tar's parser can't be destroyed, which pipeline's last stage must be.
    await pipeline(layer, gzipped ? createGunzip() : new PassThrough(), async (plain: AsyncIterable<Buffer>) => {
      for await (const chunk of plain) {
        if (refused) throw refused;
        // The parser would unpack it once more, and nobody would count what comes of that.
        if (start.length < MAGIC_BYTES) start = Buffer.concat([start, chunk.subarray(0, MAGIC_BYTES)]);
        if (COMPRESSED.some((magic) => start.subarray(0, magic.length).equals(magic)))
          throw new Error('layer refused: compressed more than once');
        bytes += chunk.length;
        if (bytes > limits.bytes) throw new Error(`layer refused: more than ${limits.bytes} bytes`);
        if (!parser.write(chunk)) await Promise.race([once(parser, 'drain'), ended]);
      }
      parser.end();
      await ended;
    });
  } finally {
    target.close();
  }
  if (refused) throw refused;
  target.hide();
}

/** A path below `root` as a process with that root would see it, whatever links it leads through; null where nothing is. */
export function pathInside(root: string, path: string): string | null {
  try {
    const folder = new Folder(root);
    const place = folder.real(path, 'look');
    return place === null || !known(join(root, place)) ? null : join(root, place);
  } catch {
    return null;
  }
}

class Folder {
  readonly #root: string;
  readonly #whiteouts = new Set<string>();
  /** What this layer wrote, with all folders above it: a whiteout hides what lower layers have. */
  readonly #fresh = new Set<string>();
  /** The file that is being written. */
  #open: number | null = null;

  /** Folders that may yet be made. */
  #foldersLeft: number;

  constructor(root: string, folders = 0) {
    this.#root = root;
    this.#foldersLeft = folders;
  }

  write(entry: tar.ReadEntry): void {
    const parts = segments(entry.path);
    if (parts.includes('..')) throw new Error(`layer refused: ${entry.path} leaves the image`);
    const name = parts.pop();
    if (name === undefined) return;
    if (name.startsWith(WHITEOUT)) {
      const hidden = name.slice(WHITEOUT.length);
      if (name !== OPAQUE && ['', '.', '..'].includes(hidden)) throw new Error(`layer refused: whiteout ${entry.path}`);
      this.#whiteouts.add([...parts, name].join('/'));
      return;
    }
    switch (entry.type) {
      case 'File':
      case 'OldFile':
      case 'ContiguousFile':
        this.#file(this.#make(parts, name), entry);
        break;
      case 'Directory':
        this.#folder(this.#make(parts, name, true));
        break;
      case 'SymbolicLink': {
        const place = this.#make(parts, name);
        symlinkSync(this.#inward(place, entry.linkpath ?? ''), join(this.#root, place));
        break;
      }
      case 'Link':
        this.#hardLink(parts, name, entry.linkpath ?? '');
        break;
      // Devices and pipes.
      default:
    }
  }

  close(): void {
    if (this.#open !== null) closeSync(this.#open);
    this.#open = null;
  }

  /** Removes what whiteouts name, but for what this layer wrote itself. */
  hide(): void {
    for (const whiteout of this.#whiteouts) {
      const folder = this.real(posix.dirname(whiteout), 'look');
      if (folder === null) continue;
      const name = posix.basename(whiteout);
      if (name !== OPAQUE) this.#prune(posix.join(folder, name.slice(WHITEOUT.length)));
      else if (known(join(this.#root, folder))?.isDirectory())
        for (const child of readdirSync(join(this.#root, folder))) this.#prune(posix.join(folder, child));
    }
  }

  /**
   * The place that a path really is below the root, every link followed as if the root were `/`. `make`: folders that are
   * not there are made, and files that stand in their way removed; `look`: null where one is missing.
   */
  real(path: string, missing: 'make' | 'look'): string | null {
    const left = segments(path);
    const trail: string[] = [];
    let links = 0;
    for (let part = left.shift(); part !== undefined; part = left.shift()) {
      if (part === '..') {
        trail.pop();
        continue;
      }
      const place = join(this.#root, ...trail, part);
      const found = known(place);
      if (found?.isSymbolicLink()) {
        links += 1;
        if (links > LINKS_LIMIT) throw new Error(`layer refused: ${path} leads through too many links`);
        const target = readlinkSync(place);
        if (target.startsWith('/')) trail.length = 0;
        left.unshift(...segments(target));
        continue;
      }
      if (missing === 'look' && !found) return null;
      if (missing === 'make' && !found?.isDirectory()) {
        if (found) unlinkSync(place);
        this.#makeFolder(place);
      }
      trail.push(part);
    }
    return trail.join('/');
  }

  /** Makes room for an entry; gives its place. */
  #make(parts: string[], name: string, keepFolder = false): string {
    const place = posix.join(this.real(parts.join('/'), 'make') ?? '', name);
    for (let at = place; at !== '.' && !this.#fresh.has(at); at = posix.dirname(at)) this.#fresh.add(at);
    const found = known(join(this.#root, place));
    if (found?.isDirectory() ? !keepFolder : found) rmSync(join(this.#root, place), { recursive: true });
    return place;
  }

  #makeFolder(path: string): void {
    // A path may name thousands that have no entry of their own.
    if (this.#foldersLeft-- <= 0) throw new Error('layer refused: too many folders');
    mkdirSync(path);
    chmodSync(path, 0o755);
  }

  #folder(place: string): void {
    const path = join(this.#root, place);
    if (!known(path)) this.#makeFolder(path);
  }

  #file(place: string, entry: tar.ReadEntry): void {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const mode = (entry.mode ?? 0) & 0o111 ? 0o755 : 0o644;
    const file = openSync(join(this.#root, place), flags, mode);
    this.#open = file;
    // Whatever this process lets others do with its own files.
    fchmodSync(file, mode);
    entry.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
    });
    entry.once('end', () => this.close());
  }

  #hardLink(parts: string[], name: string, linkpath: string): void {
    const wanted = segments(linkpath);
    const last = wanted.pop();
    const folder = last === undefined || wanted.includes('..') ? null : this.real(wanted.join('/'), 'look');
    const from = folder === null || last === '..' ? null : posix.join(folder, last!);
    const found = from === null ? undefined : known(join(this.#root, from));
    if (from === null || !found || found.isDirectory())
      throw new Error(`layer refused: ${linkpath} can't be linked to`);
    const place = this.#make(parts, name);
    // A link that stands elsewhere means something else: it is made anew, to what it meant.
    if (found.isSymbolicLink()) {
      const meant = posix.join('/', posix.dirname(from), readlinkSync(join(this.#root, from)));
      symlinkSync(this.#inward(place, meant), join(this.#root, place));
    } else linkSync(join(this.#root, from), join(this.#root, place));
  }

  /** A link's target from its place, which never climbs over the root. */
  #inward(place: string, target: string): string {
    const above = posix.join('/', posix.dirname(place));
    const meant = posix.normalize(target.startsWith('/') ? target : posix.join(above, target));
    return posix.relative(above, meant) || '.';
  }

  #prune(place: string): void {
    const path = join(this.#root, place);
    if (!this.#fresh.has(place)) rmSync(path, { recursive: true, force: true });
    else if (known(path)?.isDirectory()) for (const child of readdirSync(path)) this.#prune(posix.join(place, child));
  }
}

function segments(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function known(path: string) {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
