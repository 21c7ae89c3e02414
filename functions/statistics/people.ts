/**
 * How many different people there were, without keeping who: a HyperLogLog sketch (Flajolet and others, 2007) of 1,024 registers, which
 * is right within about 3 % and can be put together with others. Nobody can be read out of it; whoever has somebody's id can say of a sketch of
 * few people whether that one may be among them.
 */
const BITS = 10;
const REGISTERS = 1 << BITS;
/** Of the estimate, for so many registers. */
const ALPHA = 0.7213 / (1 + 1.079 / REGISTERS);

/** The registers that are not 0, by number: an hour of few people is short. */
export type People = Record<string, number>;

/** Adds somebody, by an id that is as good as random: the SHA-256 that stored ids end with, as base64url. */
export function addPerson(people: People, id: string): void {
  const hash = Buffer.from(id.slice(id.lastIndexOf('.') + 1), 'base64url');
  const register = hash.readUInt16BE(0) >>> (16 - BITS);
  const rank = Math.clz32(hash.readUInt32BE(2)) + 1;
  if (rank > (people[register] ?? 0)) people[register] = rank;
}

export function addPeople(people: People, others: People): void {
  for (const [register, rank] of Object.entries(others)) if (rank > (people[register] ?? 0)) people[register] = rank;
}

export function countPeople(people: People): number {
  const ranks = Object.values(people);
  const empty = REGISTERS - ranks.length;
  const sum = ranks.reduce((sum, rank) => sum + 2 ** -rank, empty);
  const estimate = (ALPHA * REGISTERS * REGISTERS) / sum;
  // Of few, those that are empty say more.
  return Math.round(estimate <= 2.5 * REGISTERS && empty > 0 ? REGISTERS * Math.log(REGISTERS / empty) : estimate);
}
