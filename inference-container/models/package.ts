import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, manifest as manifestSchema } from './manifest.ts';

/** A version as it lies in its folder, and as whoever opens it must find it. */
export interface Package {
  folder: string;
  manifest: Manifest;
  /** Of the files it is made of ({@link Files.stamp}); null: it has not been opened yet. */
  stamp: string | null;
}

/** What tells one state of some files from another, and when the youngest of them was last written, in milliseconds since 1970. */
export interface Files {
  stamp: string;
  youngest: number;
}

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
  return found.sort();
}

/** The state of files of a version; one that is not there is one, too. */
export async function filesOf(folder: string, names: string[]): Promise<Files> {
  const stats = await Promise.all(names.map((file) => stat(join(folder, file)).catch(() => null)));
  const known = names.map((file, at) => {
    const { size, mtimeMs, ino } = stats[at] ?? { size: -1, mtimeMs: 0, ino: 0 };
    return `${file}:${size}:${mtimeMs}:${ino}`;
  });
  // When a file was last written can be set by whoever copies it; when it was last changed at all can not.
  const times = stats.flatMap((found) => (found?.isFile() ? [Math.max(found.mtimeMs, found.ctimeMs)] : []));
  return { stamp: known.join(), youngest: Math.max(0, ...times) };
}

/** The files that a version is made of, beside `externals` that its graph names. */
export function partsOf({ files, preprocessing }: Manifest, externals: string[]): string[] {
  const own = preprocessing?.kind === 'ngrams' ? [preprocessing.vocabulary] : [];
  if (preprocessing?.kind === 'tokenizer') own.push(preprocessing.tokenizer, 'tokenizer_config.json');
  return [...new Set(['model.onnx', 'model.json', ...Object.keys(files), ...own, ...externals])].sort();
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
