import { Random } from './random.ts';

export interface InventionOptions {
  rounds: number;
  /** Share of the invented utterances that lose words, and the share of words they lose. */
  dropShare: number;
  drop: number;
}

/**
 * New utterances for teachers to label: two utterances of a class crossed at a word they share, some words dropped. They
 * carry no label of their own, because a crossing may change what is meant.
 */
export function invent(
  utterances: string[][],
  labels: Int32Array,
  { rounds, dropShare, drop }: InventionOptions,
  seed: number,
): string[][] {
  const random = new Random(seed);
  const places = new Map<string, { utterance: number; place: number }[]>();
  for (const [utterance, words] of utterances.entries())
    for (const [place, word] of words.entries()) {
      const key = `${labels[utterance]} ${word}`;
      const known = places.get(key);
      if (known) known.push({ utterance, place });
      else places.set(key, [{ utterance, place }]);
    }
  const seen = new Set(utterances.map((words) => words.join(' ')));
  const invented: string[][] = [];
  for (let round = 0; round < rounds; round += 1)
    for (const [index, words] of utterances.entries()) {
      let made = words;
      for (let attempt = 0; attempt < 4 && words.length > 1; attempt += 1) {
        const cut = random.below(words.length);
        const known = places.get(`${labels[index]} ${words[cut]}`)!;
        const other = known[random.below(known.length)]!;
        const crossed = [...words.slice(0, cut), ...utterances[other.utterance]!.slice(other.place)];
        if (other.utterance === index || crossed.length < 2 || crossed.length > words.length * 1.6 + 2) continue;
        made = crossed;
        break;
      }
      if (random.next() < dropShare) {
        const kept = made.filter(() => random.next() >= drop);
        if (kept.length > 0) made = kept;
      }
      const key = made.join(' ');
      if (seen.has(key)) continue;
      seen.add(key);
      invented.push(made);
    }
  return invented;
}
