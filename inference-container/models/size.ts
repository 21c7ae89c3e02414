/**
 * What a body's size says of its job. `small`: it is soon over. `long`: it may be many rows, which are run in slices; a worker
 * has one such job at a time, and small ones between its slices as if it were not there. `large`: to parse it can't be divided
 * and would hold up every other request of its worker, so it has workers of its own.
 */
export const SIZES = ['small', 'long', 'large'] as const;
export type Size = (typeof SIZES)[number];
/** The largest body of a small job, and of a long one. */
export const SMALL_BYTES = 16 * 1024;
export const LONG_BYTES = 1024 * 1024;

export function sizeOf({ length }: Uint8Array): Size {
  if (length <= SMALL_BYTES) return 'small';
  return length <= LONG_BYTES ? 'long' : 'large';
}
