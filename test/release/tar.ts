import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import * as tar from 'tar';

export const sha256 = (bytes: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A temporary folder for one test file; `next()` gives an empty path in it. */
export function useTemporary(): { readonly path: string; next(): string } {
  let path = '';
  let count = 0;
  before(async () => {
    path = await mkdtemp(join(tmpdir(), 'maru-release-test-'));
  });
  after(() => rm(path, { recursive: true, force: true }));
  return {
    get path() {
      return path;
    },
    next: () => join(path, String(count++)),
  };
}

interface Entry {
  path: string;
  type: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO';
  content: string;
  linkpath: string;
  /** What is said of its rights; the usual ones where it is not. */
  mode?: number;
}

export const file = (path: string, content = path): Entry => ({ path, type: 'File', content, linkpath: '' });
export const folder = (path: string): Entry => ({ path: `${path}/`, type: 'Directory', content: '', linkpath: '' });
export const link = (path: string, linkpath: string, type: 'SymbolicLink' | 'Link' = 'SymbolicLink'): Entry => ({
  path,
  type,
  content: '',
  linkpath,
});
export const device = (path: string, type: 'CharacterDevice' | 'FIFO'): Entry => ({
  path,
  type,
  content: '',
  linkpath: '',
});

/** A tar of anything, also of what no honest packer writes. */
export function tarOf(entries: Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, type, content, linkpath, mode = type === 'Directory' ? 0o755 : 0o644 }) => {
    const block = Buffer.alloc(512);
    const bytes = Buffer.from(content);
    const header = { path, type, linkpath, size: bytes.length, mode };
    const long = new tar.Header({ ...header, uid: 0, gid: 0, mtime: new Date(0) }).encode(block, 0);
    const more = new tar.Pax({ path, ...(linkpath ? { linkpath } : {}) });
    return [...(long ? [more.encode()] : []), block, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1_024)]);
}

/** Everything below a folder: `path` for folders, `path = content` for files, `path -> target` for links. */
export async function listing(root: string, at = ''): Promise<string[]> {
  const found: string[] = [];
  for (const name of (await readdir(join(root, at))).sort()) {
    const path = at ? `${at}/${name}` : name;
    const stat = await lstat(join(root, path));
    if (stat.isDirectory()) found.push(path, ...(await listing(root, path)));
    else if (stat.isSymbolicLink()) found.push(`${path} -> ${await readlink(join(root, path))}`);
    else found.push(`${path} = ${await readFile(join(root, path), 'utf8')}`);
  }
  return found;
}
