/** A message as it is compared: the words alone, however it was typed. */
export interface Message {
  /** Without blanks, case, width, marks and signs, but for pictures, quotes, and a question mark at its end. */
  compact: string;
  /** It ends with a question mark. */
  asks: boolean;
  /** Its words, without marks and signs; a picture or a quote is a word. */
  words: string[];
  /** Whole numbers in it, as they stand. */
  numbers: string[];
}

/** Letters that only laugh or cry. */
const MOOD = /[ㅋㅎㅠㅜ]{2,}/gu;

/** Signs that say something of the words beside them: pictures may mock, and what stands in quotes is only spoken of. */
const TELLING = /["“”「」『』\p{Extended_Pictographic}]/gu;

export function readMessage(text: string): Message {
  // Before letters are composed: a laugh is written with the letters that words are made of.
  const plain = text
    .replace(MOOD, ' ')
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .toLowerCase();
  const asks = plain.trimEnd().endsWith('?');
  const bare = plain
    .replace(/['’‘`]/g, '')
    .replace(TELLING, ' $& ')
    .replace(/(?!["“”「」『』\p{Extended_Pictographic}])[\p{P}\p{S}\p{M}]/gu, ' ');
  const words = bare.split(/\s+/).filter(Boolean);
  return {
    compact: words.join('') + (asks ? '?' : ''),
    asks,
    words,
    numbers: plain.match(/\d+/g) ?? [],
  };
}
