/** A message as it is compared: the words alone, however it was typed. */
export interface Message {
  /** Without blanks, case, width, marks and signs, but for a question mark at its end. */
  compact: string;
  /** It ends with a question mark. */
  asks: boolean;
  /** Its words, without marks and signs. */
  words: string[];
  /** Whole numbers in it, as they stand. */
  numbers: string[];
}

/** Letters that only laugh or cry. */
const MOOD = /[ㅋㅎㅠㅜ]{2,}/gu;

export function readMessage(text: string): Message {
  // Before letters are composed: a laugh is written with the letters that words are made of.
  const plain = text
    .replace(MOOD, ' ')
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .toLowerCase();
  const asks = plain.trimEnd().endsWith('?');
  const bare = plain.replace(/['’‘`]/g, '').replace(/[\p{P}\p{S}\p{M}]/gu, ' ');
  const words = bare.split(/\s+/).filter(Boolean);
  return {
    compact: words.join('') + (asks ? '?' : ''),
    asks,
    words,
    numbers: plain.match(/\d+/g) ?? [],
  };
}
