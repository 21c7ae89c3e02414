import { readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Metrics } from '../metrics.ts';
import { checksum } from './checksum.ts';
import { filesOnly, isFile } from './files-only.ts';
import type { Inline } from './inline.ts';
import { type Listing, listModels, listVersions, type Misplaced } from './listing.ts';
import { type Manifest, type VersionPolicy, versionPolicy } from './manifest.ts';
import { copyFor } from './mapped-copy.ts';
import {
  ABSENT,
  allFiles,
  type Files,
  filesOf,
  haveSums,
  type Package,
  partsOf,
  readManifest,
  sumOf,
} from './package.ts';
import { type Pool, WorkerCrashed } from './pool.ts';
import type { Scheduler, Target } from './scheduler.ts';
import type { Signature } from './session.ts';
import { byVersion } from './version.ts';

export interface Model extends Target {
  manifest: Manifest;
  /** What it was opened from. */
  package: Package;
  signature: Signature;
  inFlight: number;
  /** It has been asked for an answer: from then on its files are final. */
  used: boolean;
  /** Its files as they were seen last, where they are not those that were opened. */
  seen: string;
  /** What whoever publishes should know of it though it serves; blank: nothing. */
  remark: string;
}

export interface IndexEntry {
  name: string;
  version: string;
  state: 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';
  reason: string;
  /** Whether requests are joined, of what is served: `proven`, `declared`, or `off (…)`. */
  batching?: string;
}

/** A version is still arriving: its files change, or have changed a moment ago. */
export class StillArriving extends Error {}

/** A version that was seen, and is looked at again. */
interface Arriving {
  name: string;
  version: string;
  stamp: string;
  /** When its files were first seen as they are now. */
  since: number;
}

/** Files larger than this are served at once and checked while they serve: reading them whole takes seconds. */
const CHECK_FIRST_BYTES = 64 * 1024 * 1024;
/** A model that has not changed for so long is tried though something beside it still changes. */
const LONGEST_SETTLE_MS = 60_000;

export interface RepositoryOptions {
  /** Models that must be served before this server is ready, beside those of the first root. */
  required: string[];
  /** A folder of this server's own. */
  cache: string;
  /** How long the files of a version must rest before it is loaded. */
  settleMs: number;
}

/**
 * The models that are served: `<name>/<version>/model.onnx` below one or more folders, the newest version by default,
 * `config.json` beside the versions for another policy. A version that can't be loaded leaves the others serving and says
 * why in the index. A version may arrive slowly, and be replaced until it has been asked; from then on its files are final.
 */
export class Repository {
  readonly #roots: string[];
  readonly #options: RepositoryOptions;
  readonly #pool: Pool;
  readonly #inline: Inline;
  readonly #scheduler: Scheduler;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #revoke: (name: string) => Promise<void> | undefined;
  readonly #models = new Map<string, Map<string, Model>>();
  readonly #failed = new Map<string, IndexEntry & { stamp: string }>();
  readonly #arriving = new Map<string, Arriving>();
  /** What lies in the folders and is no version, by where it was seen: `` the roots, or a model. */
  readonly #misplaced = new Map<string, Misplaced[]>();
  /** Checksums of files by version, of versions that have been asked, for those that come back. */
  readonly #final = new Map<string, ReadonlyMap<string, string>>();
  /** Names that were unloaded by hand: a scan leaves them so. */
  readonly #unloaded = new Map<string, string>();
  /** Models of the first root. */
  #own = new Set<string>();
  /** What is being opened now. */
  #opening: { name: string; version: string } | null = null;
  #changes: Promise<void> = Promise.resolve();
  /** The next look at models whose versions still arrive. */
  readonly #looks = new Map<string, NodeJS.Timeout>();
  #stopped = false;
  /** The folders have been read once. */
  #read = false;
  /** Nothing more is about to come (a Blob container may be on its way when the folders have been read). */
  settled = false;

  /** `revoke`: has whoever remembers what serves under a name forget it. */
  constructor(
    roots: string[],
    options: RepositoryOptions,
    pool: Pool,
    inline: Inline,
    scheduler: Scheduler,
    metrics: Metrics,
    log: Logger,
    revoke: (name: string) => Promise<void> | undefined,
  ) {
    this.#roots = roots;
    this.#options = options;
    this.#pool = pool;
    this.#inline = inline;
    this.#scheduler = scheduler;
    this.#metrics = metrics;
    this.#log = log;
    this.#revoke = revoke;
  }

  /** Every model that should be there has a version that serves, and there is one at least. */
  get ready(): boolean {
    const expected = [...this.#own, ...this.#options.required];
    // Where nobody says what should be there, it is what has come when no more is on its way.
    const known = expected.length > 0 || this.settled;
    return this.#read && known && this.#models.size > 0 && expected.every((name) => this.#models.has(name));
  }

  /** Whether what is not served may be in a moment. */
  awaited(name: string, version?: string): boolean {
    if (this.#unloaded.has(name)) return this.#isOpening(name, version);
    if (!this.#read || !this.settled) return !this.#hasFailed(name, version);
    if (this.#isOpening(name, version)) return true;
    return [...this.#arriving.values()].some((known) => isOf(known, name, version));
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

  /** Every version that serves. */
  all(): Model[] {
    return this.names.flatMap((name) => this.versions(name).map((version) => this.find(name, version)!));
  }

  /** Whether a version's files are final: it has been asked. */
  isFinal(name: string, version: string): boolean {
    return this.#final.has(`${name}/${version}`) || this.find(name, version)?.used === true;
  }

  /** What there is, once each, and why what is not served is not. */
  index(): IndexEntry[] {
    const entries = new Map<string, IndexEntry>();
    const add = (entry: IndexEntry) => {
      const key = `${entry.name}/${entry.version}`;
      if (!entries.has(key)) entries.set(key, entry);
    };
    for (const { name, version, remark, signature } of this.all())
      add({ name, version, state: 'READY', reason: remark, batching: signature.batching });
    if (this.#opening) add({ ...this.#opening, state: 'LOADING', reason: '' });
    for (const { name, version } of this.#arriving.values())
      add({ name, version, state: 'LOADING', reason: 'its files are still arriving' });
    for (const { stamp: _stamp, ...entry } of this.#failed.values()) add(entry);
    for (const [name, version] of this.#unloaded) add({ name, version, state: 'UNAVAILABLE', reason: 'unloaded' });
    for (const found of [...this.#misplaced.values()].flat()) add({ ...found, state: 'UNAVAILABLE' });
    for (const name of this.#options.required)
      if (![...entries.values()].some((entry) => entry.name === name))
        add({ name, version: '', state: 'UNAVAILABLE', reason: 'it is required (REQUIRED_MODELS), and not there' });
    return [...entries.values()];
  }

  /** Makes what is served follow the folders. One change at a time. */
  scan(): Promise<void> {
    return this.#change(async () => {
      const listings = await Promise.all(this.#roots.map((root) => this.#list(root)));
      this.#misplaced.set(
        '',
        listings.flatMap(({ misplaced }) => misplaced),
      );
      const names = new Set([...listings.flatMap((listing) => listing.names), ...this.#models.keys()]);
      for (const { name } of [...this.#failed.values(), ...this.#arriving.values()]) names.add(name);
      const own = new Set(listings[0]?.names);
      for (const name of this.#own) if (!own.has(name)) this.#own.delete(name);
      for (const name of this.#unloaded.keys()) if (!names.has(name)) this.#unloaded.delete(name);
      for (const name of this.#misplaced.keys()) if (name !== '' && !names.has(name)) this.#misplaced.delete(name);
      for (const name of names) if (!this.#unloaded.has(name)) await this.#look(name);
      this.#read = true;
    });
  }

  /**
   * Loads a model by its policy, when its files have arrived. Throws with the reason when none of its versions can be served,
   * and {@link StillArriving} when that is not known by `until` (milliseconds since 1970).
   */
  async load(name: string, until: number): Promise<void> {
    for (;;) {
      await this.#change(async () => {
        this.#unloaded.delete(name);
        for (const [key, entry] of this.#failed) if (entry.name === name) this.#forgive(key);
        await this.#look(name);
      });
      const waits = [...this.#arriving.values()].filter((known) => known.name === name);
      if (waits.length === 0) break;
      const ms = Math.max(50, ...waits.map(({ since }) => since + this.#options.settleMs - Date.now()));
      if (Date.now() + ms > until)
        throw new StillArriving(
          `the files of version ${waits.map(({ version }) => version).join()} are still arriving`,
        );
      await sleep(ms);
    }
    const failed = [...this.#failed.values()].filter((entry) => entry.name === name);
    if (this.#models.has(name) && failed.length === 0) return;
    const misplaced = this.#misplaced.get(name) ?? [];
    const reasons = [...failed, ...misplaced].map(({ version, reason }) =>
      version ? `version ${version}: ${reason}` : reason,
    );
    throw new Error(reasons.join('; ') || `there is no model ${name}`);
  }

  /** Takes a model out of service, after what is in flight. */
  unload(name: string): Promise<void> {
    return this.#change(async () => {
      this.#unloaded.set(name, this.versions(name).at(-1) ?? '');
      for (const [key, known] of this.#arriving) if (known.name === name) this.#arriving.delete(key);
      for (const version of this.versions(name)) await this.#drop(name, version);
    });
  }

  /** A version turned out not to be what it was: it is served no more. */
  withdraw(key: string, reason: string): Promise<void> {
    return this.#change(async () => {
      const model = this.all().find((known) => known.key === key);
      if (!model) return;
      const { name, version, package: from } = model;
      this.#log.error({ model: name, version, reason }, 'model withdrawn');
      await this.#drop(name, version);
      const { stamp } = await filesOf(from.folder, await allFiles(from.folder));
      this.#fail(key, { name, version, reason, stamp });
    });
  }

  /** Removes what was copied for this process. */
  async clear(): Promise<void> {
    for (const model of this.all()) await removeCopy(model.package);
  }

  /** Looks at nothing any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#looks.values()) clearTimeout(timer);
    this.#looks.clear();
  }

  /** What lies in a root; one that can't be read keeps nothing of the others from being served. */
  async #list(root: string): Promise<Listing> {
    try {
      return await listModels(root);
    } catch (error) {
      const reason = `the folder can't be read: ${error instanceof Error ? error.message : String(error)}`;
      this.#log.error({ folder: root, reason }, 'a model repository was not read');
      return { names: [], misplaced: [{ name: basename(root), version: '', reason }] };
    }
  }

  #isOpening(name: string, version?: string): boolean {
    return this.#opening !== null && isOf(this.#opening, name, version);
  }

  #hasFailed(name: string, version?: string): boolean {
    return [...this.#failed.values()].some((entry) => isOf(entry, name, version));
  }

  #change(work: () => Promise<void>): Promise<void> {
    const result = this.#changes.then(work);
    this.#changes = result.catch(() => undefined);
    return result;
  }

  /** Follows one model. A folder that can't be read leaves what is served, and the other models. */
  async #look(name: string): Promise<void> {
    try {
      await this.#follow(name);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#misplaced.set(name, [{ name, version: '', reason }]);
      this.#log.error({ model: name, reason }, 'the folder of a model was not read');
    }
  }

  async #follow(name: string): Promise<void> {
    const policy = await this.#policy(name);
    const wanted = typeof policy.versions === 'object' && 'only' in policy.versions ? policy.versions.only : [];
    const found = new Map<string, string>();
    const misplaced: Misplaced[] = [];
    let whole = true;
    for (const [place, root] of this.#roots.entries()) {
      const listed = await listVersions(root, name, wanted).catch((error: Error) => {
        whole = false;
        // It is there, and should be served.
        if (place === 0) this.#own.add(name);
        return {
          versions: [],
          misplaced: [{ name, version: '', reason: `the folder can't be read: ${error.message}` }],
        };
      });
      for (const version of listed.versions) found.set(version, join(root, name, version));
      misplaced.push(...listed.misplaced);
      if (place > 0 || !whole) continue;
      if (listed.versions.length > 0) this.#own.add(name);
      else this.#own.delete(name);
    }
    // That a root has no version of it is nothing where another has one, or where nobody has heard of it.
    const isThere = (await Promise.all(this.#roots.map((root) => stat(join(root, name)).catch(() => null)))).some(
      Boolean,
    );
    this.#misplaced.set(
      name,
      misplaced.filter(({ version }) => version !== '' || (isThere && found.size === 0)),
    );
    const { candidates, most } = choose([...found.keys()], policy);
    const kept: string[] = [];
    const looked = new Set<string>();
    for (const version of candidates) {
      if (kept.length === most) break;
      looked.add(version);
      if (await this.#serves(name, version, found.get(version)!)) kept.push(version);
    }
    // A version leaves only when those that replace it serve: a broken new one must not stop the old.
    const replaced =
      most < Number.POSITIVE_INFINITY ? kept.length > 0 : kept.length === candidates.length && kept.length > 0;
    for (const version of this.versions(name))
      if (!kept.includes(version) && (replaced || (whole && !found.has(version)))) await this.#drop(name, version);
    for (const [key, entry] of this.#failed) if (entry.name === name && !found.has(entry.version)) this.#forgive(key);
    // Nobody waits for what is gone, or what the policy does not ask for any more.
    for (const [key, known] of this.#arriving)
      if (known.name === name && !looked.has(known.version)) this.#arriving.delete(key);
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

  /** Sees that a version is served as it lies there, where it can be; whether it is. */
  async #serves(name: string, version: string, folder: string): Promise<boolean> {
    const model = this.#models.get(name)?.get(version);
    if (!model) return await this.#add(name, version, folder);
    const { stamp } = await filesOf(folder, partsOf(model.manifest, model.signature.externals));
    if (stamp === model.package.stamp) {
      model.remark = '';
      return true;
    }
    if (!model.used) {
      // Nobody has seen an answer of it: what is there now is the version.
      if (!(await this.#rests(name, version, folder))) return true;
      // It may have been asked meanwhile.
      if (!model.used) {
        // Who asks now is told to come again.
        this.#opening = { name, version };
        await this.#drop(name, version);
        return await this.#add(name, version, folder);
      }
    }
    if (stamp === model.seen) return true;
    model.seen = stamp;
    if (await haveSums(folder, partsOf(model.manifest, model.signature.externals), model.package.sums)) {
      // Touched, or copied onto themselves: the bytes are the same.
      model.package.stamp = stamp;
      model.remark = '';
    } else if (model.remark === '') {
      model.remark =
        'its files have changed since it was first asked, and what it was is served: publish a new version';
      this.#log.warn({ model: name, version }, 'the files of a version that is served have changed');
    }
    return true;
  }

  async #add(name: string, version: string, folder: string): Promise<boolean> {
    const key = `${name}/${version}`;
    const { stamp: seen } = await filesOf(folder, await allFiles(folder));
    if (this.#failed.get(key)?.stamp === seen) return false;
    if (!(await this.#rests(name, version, folder))) {
      this.#forgive(key);
      return false;
    }
    const started = performance.now();
    this.#opening = { name, version };
    try {
      await filesOnly(folder);
      await hasModel(folder);
      const before = await filesOf(folder, await allFiles(folder));
      const manifest = await readManifest(folder, name, version);
      const later = await this.#verify(key, folder, manifest);
      const model = await this.#open(name, version, folder, manifest, before);
      // Of a picture its bytes say nothing of its time: a small file may be a large one.
      const isUntold = model.signature.openEnded || manifest.preprocessing?.kind === 'image';
      this.#inline.add(key, model.package, isUntold);
      this.#models.set(name, (this.#models.get(name) ?? new Map()).set(version, model));
      this.#forgive(key);
      await this.#revoke(name);
      this.#metrics.models.set({ model: name, version }, 1);
      const { batching } = model.signature;
      this.#log.info({ model: name, version, batching, ms: Math.round(performance.now() - started) }, 'model loaded');
      void this.#verifyLater(model, later);
      void this.#readSums(model);
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // A worker that died says nothing of the version: the next look tries again.
      this.#fail(key, { name, version, reason, stamp: error instanceof WorkerCrashed ? '' : seen });
      this.#log.error({ model: name, version, reason }, 'model not loaded');
      return false;
    } finally {
      this.#opening = null;
    }
  }

  /** Opens a version in every worker. Throws with the reason when it can't be, or is not what it was when that began. */
  async #open(name: string, version: string, folder: string, manifest: Manifest, before: Files): Promise<Model> {
    const key = `${name}/${version}`;
    // What a Blob container gave is written by nobody else.
    const isOwn = folder === join(this.#roots[0]!, name, version);
    const copy = isOwn ? await copyFor(this.#options.cache, folder) : null;
    const from: Package = { folder, manifest, stamp: null, sums: null, copy };
    const signature = await this.#pool.load(key, from).catch(async (error) => {
      await removeCopy(from);
      throw error;
    });
    const parts = partsOf(manifest, signature.externals);
    const sums = await sumsOf(folder, parts, manifest);
    const { stamp, known } = await filesOf(folder, parts);
    // All that was read of it, from its manifest to its weights, is of one state.
    const changed = parts.some((file) => before.known.has(file) && before.known.get(file) !== known.get(file));
    if (stamp !== signature.stamp || changed) {
      await this.#pool.unload(key);
      await removeCopy(from);
      throw new Error('its files changed while it was opened');
    }
    const { maxRows, maxDelayMs } = manifest.batching;
    return {
      key,
      name,
      version,
      manifest,
      package: Object.assign(from, { sums }),
      signature,
      inFlight: 0,
      used: false,
      maxRows,
      maxDelayMs,
      batchable: signature.batchable || manifest.task !== 'tensor',
      seen: stamp,
      remark: '',
    };
  }

  /**
   * Whether a version's files have arrived: they have their checksums, or nothing of them has changed for a moment. Where not, it is
   * looked at again.
   */
  async #rests(name: string, version: string, folder: string): Promise<boolean> {
    const key = `${name}/${version}`;
    const files = await allFiles(folder);
    const { stamp, youngest } = await filesOf(folder, files);
    const known = this.#arriving.get(key);
    const now = Date.now();
    const since = known?.stamp === stamp ? known.since : now;
    const { settleMs } = this.#options;
    // By the files' own times, or by what was seen of them: the clock of a file server may be another.
    const rests =
      now - youngest >= settleMs ||
      now - since >= settleMs ||
      (await this.#isWhole(folder, name, version)) ||
      now - (await filesOf(folder, ['model.onnx'])).youngest >= Math.max(settleMs, LONGEST_SETTLE_MS);
    if (rests) {
      this.#arriving.delete(key);
      return true;
    }
    this.#arriving.set(key, { name, version, stamp, since });
    this.#lookAgain(name, Math.max(50, since + settleMs - now));
    return false;
  }

  #lookAgain(name: string, ms: number): void {
    if (this.#stopped || this.#looks.has(name)) return;
    const timer = setTimeout(() => {
      this.#looks.delete(name);
      void this.#change(async () => {
        if (!this.#unloaded.has(name)) await this.#look(name);
      });
    }, ms).unref();
    this.#looks.set(name, timer);
  }

  /** Whether a version has all that its `model.json` says, by its checksums. */
  async #isWhole(folder: string, name: string, version: string): Promise<boolean> {
    try {
      const { files } = await readManifest(folder, name, version);
      // Weights in a folder of the version have no checksum there: they may still be on their way.
      const all = (await allFiles(folder)).filter((file) => file !== 'model.json');
      if (all.some((file) => !files[file])) return false;
      for (const [file, sum] of Object.entries(files)) {
        const found = await stat(join(folder, file));
        if (!found.isFile() || found.size > CHECK_FIRST_BYTES || (await checksum(join(folder, file))) !== sum)
          return false;
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Checks the small files now, and returns the large ones with what they must be. */
  async #verify(key: string, folder: string, { files }: Manifest): Promise<[string, string][]> {
    const later: [string, string][] = [];
    const final = this.#final.get(key);
    // What it was when it was asked counts for more than what is said of it now.
    const expected = new Map([...Object.entries(files), ...(final ?? [])]);
    for (const [file, sum] of expected) {
      const found = await stat(join(folder, file)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' && sum === ABSENT) return null;
        throw error;
      });
      if (found && found.size > CHECK_FIRST_BYTES) later.push([file, sum]);
      else if ((await sumOf(folder, file)) !== sum) throw new Error(otherwise(file, sum, final === undefined));
    }
    return later;
  }

  async #verifyLater(model: Model, files: [string, string][]): Promise<void> {
    const { key, name, version, package: from } = model;
    for (const [file, sum] of files) {
      const actual = await sumOf(from.folder, file).catch(() => 'unreadable');
      // Another took its place meanwhile, and is checked by itself.
      if (actual === sum || this.find(name, version) !== model) continue;
      await this.withdraw(key, otherwise(file, sum, !this.#final.has(key)));
    }
  }

  /** Reads the checksums of large files while the model serves: of the files that were opened, and no others. */
  async #readSums({ package: from, manifest, signature }: Model): Promise<void> {
    const parts = partsOf(manifest, signature.externals).filter((file) => !from.sums?.has(file));
    for (const file of parts) {
      const sum = await sumOf(from.folder, file).catch(() => null);
      const { stamp } = await filesOf(from.folder, partsOf(manifest, signature.externals));
      if (sum === null || stamp !== from.stamp) return;
      from.sums = new Map([...(from.sums ?? []), [file, sum]]);
    }
  }

  #fail(key: string, failed: Omit<IndexEntry, 'state'> & { stamp: string }): void {
    this.#failed.set(key, { ...failed, state: 'UNAVAILABLE' });
    this.#metrics.failed.set({ model: failed.name, version: failed.version }, 1);
  }

  #forgive(key: string): void {
    const entry = this.#failed.get(key);
    if (!entry) return;
    this.#failed.delete(key);
    this.#metrics.failed.remove({ model: entry.name, version: entry.version });
  }

  async #drop(name: string, version: string): Promise<void> {
    const versions = this.#models.get(name);
    const model = versions?.get(version);
    if (!versions || !model) return;
    versions.delete(version);
    if (versions.size === 0) this.#models.delete(name);
    await this.#revoke(name);
    // Nobody finds it any more; those who have found it finish first.
    while (model.inFlight > 0) await sleep(5);
    this.#scheduler.forget(model.key);
    await this.#inline.remove(model.key);
    await this.#pool.unload(model.key);
    await removeCopy(model.package);
    if (model.used && model.package.sums) this.#final.set(model.key, model.package.sums);
    this.#metrics.forget(name, version);
    this.#log.info({ model: name, version }, 'model unloaded');
  }
}

function isOf(known: { name: string; version: string }, name: string, version?: string): boolean {
  return known.name === name && (version === undefined || known.version === version);
}

function otherwise(file: string, sum: string, given: boolean): string {
  return given
    ? `${file} does not have its checksum ${sum}`
    : `${file} is not what it was when this version was served (checksum ${sum}): publish a new version`;
}

/** Checksums of files: of the small ones, and those that the manifest says and that are checked by it. */
async function sumsOf(folder: string, files: string[], manifest: Manifest): Promise<ReadonlyMap<string, string>> {
  const sums = new Map<string, string>();
  for (const file of files) {
    const found = await stat(join(folder, file)).catch(() => null);
    const said = manifest.files[file];
    if (said) sums.set(file, said);
    else if (!found || found.size <= CHECK_FIRST_BYTES) sums.set(file, await sumOf(folder, file));
  }
  return sums;
}

/** One that can't be removed is removed by the next server that starts. */
async function removeCopy({ copy }: Package): Promise<void> {
  if (copy !== null) await rm(copy, { recursive: true, force: true }).catch(() => undefined);
}

/** Throws with what to do about a version that has no model. */
async function hasModel(folder: string): Promise<void> {
  if (await isFile(join(folder, 'model.onnx'))) return;
  const other = (await allFiles(folder)).find((file) => /\.onnx$/i.test(file) && file !== 'model.onnx');
  throw new Error(other ? `there is no model.onnx in it: rename ${other}` : 'there is no model.onnx in it');
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
