/** Seeded generator (sfc32): the same stream on every machine. */
export class Random {
  #a = 0x9e3779b9;
  #b: number;
  #c: number;
  #d = 1;
  #spare: number | undefined;

  constructor(seed: number) {
    this.#b = seed | 0;
    this.#c = Math.imul(seed | 0, 0x85ebca6b) ^ 0xc2b2ae35;
    for (let round = 0; round < 16; round += 1) this.next();
  }

  /** Uniform in [0, 1). */
  next(): number {
    const t = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return (t >>> 0) / 4294967296;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** Standard normal (Box–Muller). */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  shuffle<T extends { length: number; [index: number]: unknown }>(array: T): T {
    for (let i = array.length - 1; i > 0; i -= 1) {
      const j = this.below(i + 1);
      const swapped = array[i];
      array[i] = array[j];
      array[j] = swapped;
    }
    return array;
  }
}
