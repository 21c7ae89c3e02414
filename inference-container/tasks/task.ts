import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Manifest } from '../models/manifest.ts';

/**
 * A task turns people's inputs into tensors and back. It runs in a worker, beside the session.
 * `Row` is one instance along the batch dimension; `Result` is its prediction.
 */
export interface Task<Row, Result> {
  /** Throws an {@link InvalidRow} for a row that must not join a batch. */
  check(row: unknown): Row;
  /** The feeds of a whole batch. */
  prepare(rows: Row[]): InferenceSession.FeedsType;
  /** One result a row, in order. */
  finish(outputs: Record<string, Tensor>, rows: Row[]): Result[];
}

export class InvalidRow extends Error {}

/** Makes a task for a package's folder. */
export type TaskFactory<Row, Result> = (manifest: Manifest, folder: string) => Promise<Task<Row, Result>>;
