import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answered, answerAll, type Request } from '../protocol/requests.ts';
import { preprocessingFiles } from './manifest.ts';
import type { Package } from './package.ts';
import { type Loaded, open } from './session.ts';

/** What a quick job takes at most; health must answer within 50 ms, whatever runs. */
const QUICK_MS = 2;
/** Quick jobs before a model is opened here. */
const PROOF = 20;
/** A larger model is never opened here: opening it would hold up HTTP. */
const FILE_BYTES = 32 * 1024 * 1024;
/** A vocabulary or a tokenizer beyond this takes too long to read, for the same reason. */
const TEXT_BYTES = 1024 * 1024;
/**
 * How a limit follows what was measured: well below what was not quick, and so far beyond what was that one request may become
 * two. Less than twice would leave a model at single requests for good, once a slow moment had brought it there.
 */
const GROW = 2.5;
const SHRINK = 0.7;

interface Known {
  package: Package;
  /** Quick jobs so far, until it is opened. */
  proof: number;
  /** Bytes of bodies that are expected to be quick together. */
  limit: number;
  loaded: Loaded | null;
  /** Opening, or never to be opened. */
  closed: boolean;
}

/**
 * Quick jobs run on the thread that serves HTTP: to hand a request of 20 µs to another thread and wake it costs more than to
 * run it. How many bytes are quick is learned from every job, here and in the workers; models with
 * control flow, whose time depends on values, are never run here.
 */
export class Inline {
  readonly #models = new Map<string, Known>();

  add(key: string, from: Package, openEnded: boolean): void {
    this.#models.set(key, { package: from, proof: 0, limit: 0, loaded: null, closed: openEnded });
  }

  /** Opens a model with a limit that another thread has learned, or raises the limit to that. */
  lend(key: string, from: Package, limit: number): void {
    const known = this.#models.get(key);
    if (known) {
      known.limit = Math.max(known.limit, limit);
      return;
    }
    const lent: Known = { package: from, proof: PROOF, limit, loaded: null, closed: false };
    this.#models.set(key, lent);
    void this.#open(key, lent);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#models.keys()].map((key) => this.remove(key)));
  }

  async remove(key: string): Promise<void> {
    const known = this.#models.get(key);
    this.#models.delete(key);
    await known?.loaded?.session.release();
  }

  /** Bytes of a job that is expected to be quick; −1 when none is. */
  limit(key: string): number {
    const known = this.#models.get(key);
    return known?.loaded ? known.limit : -1;
  }

  async answer(key: string, requests: Request[]): Promise<Answered> {
    const { loaded } = this.#models.get(key)!;
    return await answerAll(loaded!, requests);
  }

  /** A job of so many bytes took so long, here or in a worker. `whole`: none of its requests was refused. */
  learn(key: string, bytes: number, ms: number, whole: boolean): void {
    const known = this.#models.get(key);
    if (!known || known.closed) return;
    if (ms > QUICK_MS) {
      known.limit = Math.min(known.limit, bytes * SHRINK);
      return;
    }
    if (!whole) return;
    known.limit = Math.max(known.limit, bytes * GROW);
    known.proof += 1;
    if (known.proof >= PROOF && !known.loaded) void this.#open(key, known);
  }

  async #open(key: string, known: Known): Promise<void> {
    known.closed = true;
    // It was opened by every worker before: what fails here is not the model (its folder may be gone), and the workers go on.
    const { folder, manifest } = known.package;
    // A file that is not there costs nothing to read.
    const sizeOf = (file: string) =>
      stat(join(folder, file)).then(
        ({ size }) => size,
        () => 0,
      );
    const texts = await Promise.all(preprocessingFiles(manifest).map(sizeOf));
    const small = (await sizeOf('model.onnx')) <= FILE_BYTES && texts.every((size) => size <= TEXT_BYTES);
    const loaded = small ? await open(known.package).catch(() => null) : null;
    if (!loaded) return;
    if (this.#models.get(key) !== known) await loaded.session.release();
    else {
      known.loaded = loaded;
      known.closed = false;
    }
  }
}
