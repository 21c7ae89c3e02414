import type { Manifest } from '../models/manifest.ts';
import type { RowResult, Signature } from '../models/session.ts';
import type { Feed, TensorData } from '../models/tensor.ts';
import { InvalidRow } from '../tasks/task.ts';
import type { Answer } from './answer.ts';
import { badRequest } from './http-error.ts';

/** A model as the protocols see it. */
export interface Served {
  manifest: Manifest;
  signature: Signature;
}

/** What a request asks to be run. */
export type Payload =
  | { kind: 'rows'; rows: unknown[] }
  /** `outputs` empty: all of them. `joinable`: its inputs agree on the rows, so it may run with others. */
  | { kind: 'tensors'; feeds: Record<string, Feed>; outputs: string[]; rows: number; joinable: boolean };

export type Result = { kind: 'rows'; rows: RowResult[] } | { kind: 'tensors'; outputs: Record<string, TensorData> };

/** A request that was understood: what to run, and how its answer is written. Both may throw HttpError. */
export interface Exchange {
  payload: Payload;
  write(result: Result): Answer;
}

/** Rows of one request. */
const ROWS_LIMIT = 10_000;

/** Rows of a task; throws 400 for one that can't be a row. */
export function rowsPayload(read: () => unknown[]): Payload {
  const rows = understood(read);
  if (rows.length > ROWS_LIMIT) throw badRequest(`a request may have ${ROWS_LIMIT} rows, not ${rows.length}`);
  return { kind: 'rows', rows };
}

export function tensorsPayload(model: Served, feeds: Record<string, Feed>, outputs: string[]): Payload {
  checkBounds(feeds, model);
  const given = Object.values(feeds);
  const rows = given[0]?.shape[0] ?? 1;
  const joinable = given.length > 0 && rows > 0 && given.every(({ shape }) => shape[0] === rows);
  return { kind: 'tensors', feeds, outputs, rows: Math.max(1, rows), joinable };
}

/** The values of all rows; throws 400 with the reason of the first that failed. */
export function rowValues(result: Result): unknown[] {
  if (result.kind !== 'rows') throw new Error('rows were asked for');
  return result.rows.map((row, index) => {
    if (!row.ok) throw badRequest(result.rows.length > 1 ? `row ${index}: ${row.reason}` : row.reason);
    return row.value;
  });
}

export function tensorOutputs(result: Result): Record<string, TensorData> {
  if (result.kind !== 'tensors') throw new Error('tensors were asked for');
  return result.outputs;
}

/** Runs what may throw InvalidRow; `index` names the one of several instances it is about. */
export function understood<T>(read: () => T, index?: number): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidRow)) throw error;
    throw badRequest(index === undefined ? error.message : `instance ${index}: ${error.message}`);
  }
}

/** Ids that are looked up in a table: one outside of it would fail, or mean another row. */
function checkBounds(feeds: Record<string, Feed>, { signature }: Served): void {
  for (const name in signature.bounds) {
    const [least, most] = signature.bounds[name]!;
    const data = feeds[name]?.data as BigInt64Array | Int32Array | number[] | undefined;
    if (!data) continue;
    const wrong =
      data instanceof BigInt64Array
        ? outside(data, least, most)
        : (data as number[]).findIndex((id) => id < least || id > most);
    if (wrong !== -1) throw badRequest(`${name}: ${data[wrong]} is not an id from ${least} to ${most}`);
  }
}

/** Where the first id outside the bounds stands, or −1. In halves (low, high): reading a BigInt for each is slow. */
function outside(ids: BigInt64Array, least: number, most: number): number {
  const halves = new Int32Array(ids.buffer, ids.byteOffset, ids.length * 2);
  for (let index = 0; index < ids.length; index += 1) {
    const id = halves[2 * index + 1]! * 2 ** 32 + (halves[2 * index]! >>> 0);
    if (id < least || id > most) return index;
  }
  return -1;
}
