import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Manifest } from '../models/manifest.ts';
import type { TensorData, TensorMetadata } from '../models/tensor.ts';

/**
 * A task turns what people send into tensors and back. Its description is used where requests are read; its runner is
 * made in each worker, beside the session.
 */
export interface RowTask {
  /** As Open Inference Protocol metadata. */
  inputs: TensorMetadata[];
  outputs: TensorMetadata[];
  /** One row of a V1 instance; throws {@link InvalidRow}. */
  fromInstance(instance: unknown): unknown;
  /** The rows of V2 inputs; throws {@link InvalidRow}. */
  fromTensors(inputs: Record<string, TensorData>): unknown[];
  toTensors(results: unknown[]): Record<string, TensorData>;
  createRunner(manifest: Manifest, folder: string, inputs: readonly string[]): Promise<Runner>;
}

export interface Runner {
  /** Makes one row ready to be batched; throws {@link InvalidRow}: that row fails alone. */
  prepare(row: unknown): unknown | Promise<unknown>;
  feeds(prepared: unknown[]): InferenceSession.FeedsType;
  /** One result a row, in order. */
  results(outputs: Record<string, Tensor>, rows: number): unknown[];
}

/** What one row asks for can't be answered; the message says why. */
export class InvalidRow extends Error {}
