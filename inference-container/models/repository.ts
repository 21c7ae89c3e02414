import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Metrics } from '../metrics.ts';
import { checksum } from './checksum.ts';
import { filesOnly, isFile } from './files-only.ts';
import type { Inline } from './inline.ts';
import { type Manifest, manifest as manifestSchema, type VersionPolicy, versionPolicy } from './manifest.ts';
import { type Pool, WorkerCrashed } from './pool.ts';
import type { Scheduler, Target } from './scheduler.ts';
import type { Signature } from './session.ts';

export interface Model extends Target {
  manifest: Manifest;
  folder: string;
  signature: Signature;
  inFlight: number;
}

export interface IndexEntry {
  name: string;
  version: string;
  state: 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';
  reason: string;
  /** Whether requests are joined, of what is served: `proven`, `declared`, or `off (…)`. */
  batching?: string;
}

/** Files larger than this are served at once and checked while they serve: reading them whole takes seconds. */
const CHECK_FIRST_BYTES = 64 * 1024 * 1024;
const NAME = /^[\w.-]{1,64}$/;

/**
 * The models that are served: `<name>/<version>/model.onnx` below one or more folders, the newest version by default,
 * `config.json` beside the versions for another policy. A version that can't be loaded leaves the others serving and says
 * why in the index. A version's files never change: one whose checksum differs is refused.
 */
export class Repository {
  readonly #roots: string[];
  readonly #pool: Pool;
  readonly #inline: Inline;
  readonly #scheduler: Scheduler;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #revoke: (name: string) => Promise<void> | undefined;
  readonly #models = new Map<string, Map<string, Model>>();
  readonly #failed = new Map<string, IndexEntry & { stamp: string }>();
  /** Checksums of versions that have been served, for those that come back. */
  readonly #seen = new Map<string, string>();
  /** Names that were unloaded by hand: a scan leaves them so. */
  readonly #unloaded = new Map<string, string>();
  #changes: Promise<void> = Promise.resolve();
  /** A whole scan has ended with something to serve. */
  #served = false;
  /** Nothing more is about to come (a Blob container may be on its way when the folders have been read). */
  settled = false;

  /** `revoke`: has whoever remembers what serves under a name forget it. */
  constructor(
    roots: string[],
    pool: Pool,
    inline: Inline,
    scheduler: Scheduler,
    metrics: Metrics,
    log: Logger,
    revoke: (name: string) => Promise<void> | undefined,
  ) {
    this.#roots = roots;
    this.#pool = pool;
    this.#inline = inline;
    this.#scheduler = scheduler;
    this.#metrics = metrics;
    this.#log = log;
    this.#revoke = revoke;
  }

  /** What there is is served, or there is nothing to serve and nothing to come. */
  get ready(): boolean {
    return this.#served || (this.settled && this.#failed.size === 0);
  }

  get names(): string[] {
    return [...this.#models.keys()].sort();
  }

  versions(name: string): string[] {
    return [...(this.#models.get(name)?.keys() ?? [])].sort(byVersion);
  }

  /** The named version, or the newest that is served. */
  find(name: string, version?: string): Model | undefined {
    const versions = this.#models.get(name);
    return versions?.get(version ?? this.versions(name).at(-1) ?? '');
  }

  index(): IndexEntry[] {
    const serving = this.names.flatMap((name) =>
      this.versions(name).map(
        (version): IndexEntry => ({
          name,
          version,
          state: 'READY',
          reason: '',
          batching: this.#models.get(name)!.get(version)!.signature.batching,
        }),
      ),
    );
    const failed = [...this.#failed.values()].map(({ stamp: _stamp, ...entry }) => entry);
    const unloaded = [...this.#unloaded].map(
      ([name, version]): IndexEntry => ({ name, version, state: 'UNAVAILABLE', reason: 'unloaded' }),
    );
    return [...serving, ...failed, ...unloaded];
  }

  /** Makes what is served follow the folders. One change at a time. */
  scan(): Promise<void> {
    return this.#change(async () => {
      const names = new Set((await Promise.all(this.#roots.map(folders))).flat());
      for (const name of this.#models.keys()) names.add(name);
      for (const name of names) if (NAME.test(name) && !this.#unloaded.has(name)) await this.#follow(name);
      this.#served ||= this.#models.size > 0;
    });
  }

  /** Loads a model by its policy. Throws with the reason when none of its versions can be served. */
  load(name: string): Promise<void> {
    return this.#change(async () => {
      this.#unloaded.delete(name);
      for (const [key, entry] of this.#failed) if (entry.name === name) this.#failed.delete(key);
      await this.#follow(name);
      const failed = [...this.#failed.values()].filter((entry) => entry.name === name);
      if (this.#models.has(name) && failed.length === 0) return;
      throw new Error(
        failed.map(({ version, reason }) => `version ${version}: ${reason}`).join('; ') || `there is no model ${name}`,
      );
    });
  }

  /** Takes a model out of service, after what is in flight. */
  unload(name: string): Promise<void> {
    return this.#change(async () => {
      this.#unloaded.set(name, this.versions(name).at(-1) ?? '');
      for (const version of this.versions(name)) await this.#drop(name, version);
    });
  }

  #change(work: () => Promise<void>): Promise<void> {
    const result = this.#changes.then(work);
    this.#changes = result.catch(() => undefined);
    return result;
  }

  async #follow(name: string): Promise<void> {
    const found = new Map<string, string>();
    for (const root of this.#roots)
      for (const version of await folders(join(root, name)))
        if (NAME.test(version)) found.set(version, join(root, name, version));
    const { candidates, most } = choose([...found.keys()], await this.#policy(name));
    const kept: string[] = [];
    for (const version of candidates) {
      if (kept.length === most) break;
      if (!this.#models.get(name)?.has(version)) await this.#add(name, version, found.get(version)!);
      if (this.#models.get(name)?.has(version)) kept.push(version);
    }
    // A version leaves only when those that replace it serve: a broken new one must not stop the old.
    const replaced =
      most < Number.POSITIVE_INFINITY ? kept.length > 0 : kept.length === candidates.length && kept.length > 0;
    for (const version of this.versions(name))
      if (!kept.includes(version) && (replaced || !found.has(version))) await this.#drop(name, version);
    for (const [key, entry] of this.#failed)
      if (entry.name === name && !found.has(entry.version)) this.#failed.delete(key);
  }

  async #policy(name: string): Promise<VersionPolicy> {
    for (const root of this.#roots) {
      const path = join(root, name, 'config.json');
      const file = (await isFile(path)) ? await readFile(path, 'utf8').catch(() => null) : null;
      if (file === null) continue;
      try {
        return versionPolicy.parse(JSON.parse(file));
      } catch (error) {
        this.#log.error(
          { model: name, error: String(error) },
          'config.json is not a version policy; the newest version is served',
        );
      }
    }
    return versionPolicy.parse(undefined);
  }

  async #add(name: string, version: string, folder: string): Promise<void> {
    const key = `${name}/${version}`;
    const stamp = await stampOf(folder);
    if (this.#failed.get(key)?.stamp === stamp) return;
    const started = performance.now();
    try {
      await filesOnly(folder);
      const manifest = await readManifest(folder, name, version);
      const later = await this.#verify(key, folder, manifest);
      const signature = await this.#pool.load(key, folder, manifest);
      const { maxRows, maxDelayMs } = manifest.batching;
      const model: Model = {
        key,
        name,
        version,
        manifest,
        folder,
        signature,
        inFlight: 0,
        maxRows,
        maxDelayMs,
        batchable: signature.batchable || manifest.task !== 'tensor',
      };
      this.#inline.add(key, folder, manifest, signature.openEnded);
      this.#models.set(name, (this.#models.get(name) ?? new Map()).set(version, model));
      this.#failed.delete(key);
      await this.#revoke(name);
      this.#metrics.models.set({ model: name, version }, 1);
      const { batching } = signature;
      this.#log.info({ model: name, version, batching, ms: Math.round(performance.now() - started) }, 'model loaded');
      void this.#verifyLater(name, version, folder, later);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // A worker that died says nothing of the version: the next look tries again.
      const known = error instanceof WorkerCrashed ? '' : stamp;
      this.#failed.set(key, { name, version, state: 'UNAVAILABLE', reason, stamp: known });
      this.#log.error({ model: name, version, reason }, 'model not loaded');
    }
  }

  /** Checks the small files now, and returns the large ones with what they must be. */
  async #verify(key: string, folder: string, { files }: Manifest): Promise<[string, string][]> {
    const later: [string, string][] = [];
    const expected = Object.entries(files);
    // Files without a manifest are remembered as they were when they were first served.
    if (expected.length === 0)
      for (const file of await readdir(folder)) expected.push([file, this.#seen.get(`${key}/${file}`) ?? '']);
    for (const [file, sum] of expected) {
      const { size } = await stat(join(folder, file));
      if (size > CHECK_FIRST_BYTES) {
        later.push([file, sum]);
        continue;
      }
      const actual = await checksum(join(folder, file));
      if (sum && actual !== sum) throw new Error(`${file} does not have its checksum ${sum}`);
      this.#seen.set(`${key}/${file}`, actual);
    }
    return later;
  }

  async #verifyLater(name: string, version: string, folder: string, files: [string, string][]): Promise<void> {
    const key = `${name}/${version}`;
    for (const [file, sum] of files) {
      const actual = await checksum(join(folder, file)).catch(() => 'unreadable');
      if (!sum) this.#seen.set(`${key}/${file}`, actual);
      if (!sum || actual === sum) continue;
      const reason = `${file} does not have its checksum ${sum}`;
      this.#log.error({ model: name, version, reason }, 'model withdrawn');
      const stamp = await stampOf(folder);
      await this.#change(async () => {
        await this.#drop(name, version);
        this.#failed.set(key, { name, version, state: 'UNAVAILABLE', reason, stamp });
      });
    }
  }

  async #drop(name: string, version: string): Promise<void> {
    const versions = this.#models.get(name);
    const model = versions?.get(version);
    if (!versions || !model) return;
    versions.delete(version);
    if (versions.size === 0) this.#models.delete(name);
    await this.#revoke(name);
    // Nobody finds it any more; those who have found it finish first.
    while (model.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    this.#scheduler.forget(model.key);
    await this.#inline.remove(model.key);
    await this.#pool.unload(model.key);
    this.#metrics.forget(name, version);
    this.#log.info({ model: name, version }, 'model unloaded');
  }
}

/** `model.json`, or what can be said of a model without it. */
async function readManifest(folder: string, name: string, version: string): Promise<Manifest> {
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

/** The versions that a policy asks for, in the order to try them, and how many of them are to serve. */
function choose(versions: string[], { versions: policy }: VersionPolicy): { candidates: string[]; most: number } {
  const sorted = versions.sort(byVersion);
  const all = Number.POSITIVE_INFINITY;
  if (policy === 'all') return { candidates: sorted, most: all };
  // An older one serves where the newest can't, after a start too.
  if ('latest' in policy) return { candidates: sorted.reverse(), most: policy.latest };
  return { candidates: sorted.filter((version) => policy.only.includes(version)), most: all };
}

/** 1.10 comes after 1.9. */
function byVersion(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Says whether a folder that failed has changed since. */
async function stampOf(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const stats = await Promise.all(names.sort().map((file) => stat(join(folder, file)).catch(() => null)));
  return names.map((file, index) => `${file}:${stats[index]?.size}:${stats[index]?.mtimeMs}`).join();
}

async function folders(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const found: string[] = [];
  for (const entry of entries) {
    // A name with a dot in front is one that is still being written.
    if (entry.name.startsWith('.')) continue;
    if (
      entry.isDirectory() ||
      (entry.isSymbolicLink() && (await stat(join(root, entry.name)).catch(() => null))?.isDirectory())
    )
      found.push(entry.name);
  }
  return found;
}
