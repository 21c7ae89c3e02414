import { HttpError, tooLarge } from '../protocol/http-error.ts';

/** Smaller bodies are joined when they are whole. */
export const JOINED_BYTES = 1024 * 1024;

/** Bytes of bodies that are still arriving at a thread, or being unpacked, and how many there may be. */
export class Arriving {
  readonly #most: number;
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** More bytes of a body, of which there are `own` by now and may be `most`; what its client is told where they are too many. */
  add(bytes: number, own: number, most: number): HttpError | null {
    this.#bytes += bytes;
    if (own > most) return tooLarge(most);
    // One that is larger than the limit by itself is let in when no other arrives.
    const others = this.#bytes - own;
    if (others === 0 || this.#bytes <= this.#most) return null;
    return new HttpError(503, `bodies of ${others} bytes arrive`, { 'retry-after': '1' });
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
  }
}
