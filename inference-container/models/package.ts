import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checksum } from './checksum.ts';
import { isFile } from './files-only.ts';
import { type Manifest, manifest as manifestSchema, preprocessingFiles } from './manifest.ts';

/** A version as it lies in its folder, and as whoever opens it must find it. */
export interface Package {
  folder: string;
  manifest: Manifest;
  /** Of the files it is made of ({@link Files.stamp}); null: it has not been opened yet. */
  stamp: string | null;
  /** Their checksums, as far as they are known: files whose stamp is another may be the same all the same. */
  sums: ReadonlyMap<string, string> | null;
  /** Where files are copied to that are mapped ({@link copied}); null: they are mapped where they lie. */
  copy: string | null;
}

/** What tells one state of some files from another, and when the youngest of them was last written, in milliseconds since 1970. */
export interface Files {
  stamp: string;
  youngest: number;
  /** The part of the stamp that is of one file. */
  known: ReadonlyMap<string, string>;
}

/** What stands for the checksum of a file that is not there. */
export const ABSENT = 'absent';

/** Levels of folders within a version that are looked into. */
const FOLDERS_DEEP = 8;
/** Files of a version that are looked at. */
const FILES_MOST = 1_000;

/** Every file of a version: but what stands behind a dot, which is a tool's own. */
export async function allFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  const look = async (below: string, depth: number): Promise<void> => {
    const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (entry.name.startsWith('.') || found.length >= FILES_MOST) continue;
      const path = join(below, entry.name);
      if (!entry.isDirectory()) found.push(path);
      else if (depth < FOLDERS_DEEP) await look(path, depth + 1);
    }
  };
  await look('', 0);
  // However many others lie there.
  return [...new Set([...found, 'model.onnx', 'model.json'])].sort();
}

/** The state of files of a version; one that is not there is one, too. */
export async function filesOf(folder: string, names: string[]): Promise<Files> {
  const stats = await Promise.all(names.map((file) => stat(join(folder, file)).catch(() => null)));
  // When a file was last written can be set by whoever copies it; when it was last changed at all can not.
  const known = new Map(
    names.map((file, at) => {
      const { size, mtimeMs, ctimeMs, ino } = stats[at] ?? { size: -1, mtimeMs: 0, ctimeMs: 0, ino: 0 };
      return [file, `${file}:${size}:${mtimeMs}:${ctimeMs}:${ino}`];
    }),
  );
  const times = stats.flatMap((found) => (found?.isFile() ? [Math.max(found.mtimeMs, found.ctimeMs)] : []));
  return { stamp: [...known.values()].join(), youngest: Math.max(0, ...times), known };
}

/** Whether files have the bytes that they had, whatever their times say. False where that is not known of all of them. */
export async function haveSums(
  folder: string,
  files: string[],
  sums: ReadonlyMap<string, string> | null,
): Promise<boolean> {
  if (!sums) return false;
  for (const file of files) if (!sums.has(file) || (await sumOf(folder, file)) !== sums.get(file)) return false;
  return true;
}

export async function sumOf(folder: string, file: string): Promise<string> {
  if (!(await isFile(join(folder, file)))) return ABSENT;
  return await checksum(join(folder, file));
}

/** The files that a version is made of, beside `externals` that its graph names. */
export function partsOf(manifest: Manifest, externals: string[]): string[] {
  const own = preprocessingFiles(manifest);
  return [...new Set(['model.onnx', 'model.json', ...Object.keys(manifest.files), ...own, ...externals])].sort();
}

/** `model.json`, or what can be said of a model without it. Throws with what is wrong with it. */
export async function readManifest(folder: string, name: string, version: string): Promise<Manifest> {
  const text = await readFile(join(folder, 'model.json'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return manifestSchema.parse({ name, version });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('model.json is not JSON');
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success)
    throw new Error(
      `model.json: ${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
    );
  if (parsed.data.name !== name || parsed.data.version !== version)
    throw new Error(
      `model.json is of ${parsed.data.name}/${parsed.data.version}, but its folder is ${name}/${version}`,
    );
  return parsed.data;
}
