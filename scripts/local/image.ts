import { once } from 'node:events';
import { existsSync, lstatSync, rmSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, join, posix, resolve, sep } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import * as tar from 'tar';
import type { ImageConfig, Registry } from '../../functions/services/registry.ts';

/** An image's layers, unpacked one over the other. */
export interface Unpacked {
  root: string;
  config: ImageConfig;
}

const KINDS = ['File', 'OldFile', 'ContiguousFile', 'Directory', 'SymbolicLink', 'Link'];
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** Pulls an image by digest and unpacks it below `cache`, once. */
export async function unpackImage(registry: Registry, digest: string, cache: string): Promise<Unpacked> {
  const image = await registry.image(digest);
  if (!image) throw new Error(`the registry has no image ${digest}`);
  const root = join(cache, digest.replace(':', '-'));
  if (!existsSync(root)) {
    // Beside it, then renamed: half an image is never run.
    await mkdir(cache, { recursive: true });
    const draft = await mkdtemp(`${root}.`);
    try {
      for (const { digest: layer, mediaType } of image.manifest.layers)
        await unpackLayer(await registry.blob(layer), draft, /[+.]gzip$/.test(mediaType));
      await rename(draft, root);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      // Where the other slot was first, its copy serves both.
      if (!existsSync(root)) throw error;
    }
  }
  return { root, config: image.config };
}

/**
 * What to start for an image: its command, with the paths that it has mapped below `root` (there is no chroot without root's
 * rights), and Node as this machine has it.
 */
export function commandOf({ root, config }: Unpacked): { args: string[]; cwd: string; environment: NodeJS.ProcessEnv } {
  const { Entrypoint, Cmd, Env, WorkingDir } = config.config ?? {};
  const mapped = (text: string) => (text.startsWith('/') && existsSync(join(root, text)) ? join(root, text) : text);
  const [command = '', ...args] = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  if (basename(command) !== 'node')
    throw new Error(`the image runs ${command || 'nothing'}; only node can be run here`);
  const environment = Object.fromEntries(
    (Env ?? []).map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), mapped(entry.slice(at + 1))];
    }),
  );
  const cwd = join(root, WorkingDir || '/');
  return { args: args.map((arg) => (existsSync(join(cwd, arg)) ? join(cwd, arg) : mapped(arg))), cwd, environment };
}

/** Unpacks one layer over what is there, with whiteouts. Throws for paths that leave `root` and for what is not a layer. */
export async function unpackLayer(layer: Readable, root: string, gzipped: boolean): Promise<void> {
  const whiteouts: string[] = [];
  /** What this layer wrote, with all folders above it: a whiteout hides what lower layers have. */
  const fresh = new Set<string>();
  let refused: Error | undefined;
  const extract = tar.extract({
    cwd: root,
    preserveOwner: false,
    noMtime: true,
    unlink: true,
    chmod: true,
    processUmask: 0o022,
    strict: false,
    onwarn(code, message) {
      if (code !== 'TAR_ENTRY_INFO') refused ??= new Error(`layer refused: ${message}`);
    },
    filter(path, given) {
      if (refused) return false;
      const entry = given as tar.ReadEntry;
      const place = posix.normalize(path).replace(/\/+$/, '');
      // tar refuses these, and says why.
      if (place.split('/').includes('..') || place.startsWith('/')) return true;
      if (posix.basename(place).startsWith(WHITEOUT)) {
        whiteouts.push(place);
        return false;
      }
      if (!KINDS.includes(entry.type)) return false;
      if (entry.type === 'SymbolicLink' && entry.linkpath?.startsWith('/'))
        entry.linkpath = posix.relative(posix.dirname(place), posix.normalize(entry.linkpath).slice(1)) || '.';
      for (let at = place; at !== '.' && !fresh.has(at); at = posix.dirname(at)) fresh.add(at);
      // A folder of a lower layer becomes a file.
      if (entry.type !== 'Directory' && known(join(root, place))?.isDirectory())
        rmSync(join(root, place), { recursive: true });
      return true;
    },
  });
  const closed = new Promise<void>((done, failed) => {
    extract.once('close', done);
    extract.once('error', failed);
  });
  closed.catch(() => undefined);
  // tar's parser can't be destroyed, which pipeline's last stage must be.
  await pipeline(layer, gzipped ? createGunzip() : new PassThrough(), async (plain: AsyncIterable<Buffer>) => {
    for await (const chunk of plain) {
      if (refused) throw refused;
      if (!extract.write(chunk)) await Promise.race([once(extract, 'drain'), closed]);
    }
    extract.end();
    await closed;
  });
  if (refused) throw refused;
  for (const whiteout of whiteouts) await hide(root, whiteout, fresh);
}

async function hide(root: string, whiteout: string, fresh: Set<string>): Promise<void> {
  const folder = posix.dirname(whiteout);
  const name = posix.basename(whiteout);
  const prune = async (place: string): Promise<void> => {
    const path = inside(root, place);
    if (!fresh.has(place)) return await rm(path, { recursive: true, force: true });
    if ((await lstat(path).catch(() => undefined))?.isDirectory())
      for (const child of await readdir(path)) await prune(posix.join(place, child));
  };
  if (name === OPAQUE) {
    for (const child of await readdir(inside(root, folder)).catch(() => [])) await prune(posix.join(folder, child));
    return;
  }
  const hidden = name.slice(WHITEOUT.length);
  if (['', '.', '..'].includes(hidden)) throw new Error(`layer refused: whiteout ${whiteout}`);
  await prune(posix.join(folder, hidden));
}

/** A path below root, none of whose folders is a link out of it. */
function inside(root: string, place: string): string {
  const path = resolve(root, place);
  if (path !== resolve(root) && !path.startsWith(resolve(root) + sep))
    throw new Error(`outside of the image: ${place}`);
  for (let at = posix.dirname(place); at !== '.' && at !== '/'; at = posix.dirname(at))
    if (known(join(root, at))?.isSymbolicLink()) throw new Error(`through a link: ${place}`);
  return path;
}

function known(path: string) {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
