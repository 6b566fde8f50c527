/** A word with its place in the text; offsets are UTF-16. */
export interface Word {
  /** Small letters without accents. */
  word: string;
  start: number;
  end: number;
}

const WORD = /[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*/gu;

/** Small letters, without accents and compatibility forms; apostrophes alike. */
export const plainWord = (word: string) =>
  word
    .normalize('NFKD')
    .replace(/\p{Mn}/gu, '')
    .replaceAll('’', "'")
    .toLowerCase();

export function wordsOf(text: string): Word[] {
  return Array.from(text.matchAll(WORD), (found) => ({
    word: plainWord(found[0]),
    start: found.index,
    end: found.index + found[0].length,
  }));
}

/** Index of the first word that ends behind `offset`; the number of words when there is none. */
export function wordAt(words: readonly Word[], offset: number): number {
  let [low, high] = [0, words.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((words[middle] as Word).end > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

export interface Sentence {
  start: number;
  end: number;
}

/** Stretches that end with a full stop, an exclamation or question mark, or a line's end, without the spaces around them. */
export function sentencesOf(text: string): Sentence[] {
  const sentences: Sentence[] = [];
  let start = 0;
  const close = (end: number) => {
    const piece = text.slice(start, end);
    const lead = piece.length - piece.trimStart().length;
    if (piece.trim() !== '') sentences.push({ start: start + lead, end: start + lead + piece.trim().length });
    start = end;
  };
  // A point ends a sentence only before a space, so that 4.5 and acme.com stay whole.
  for (const stop of text.matchAll(/[.!?…]["'”’)]?(?=\s)|[。！？]|\n/gu)) close(stop.index + stop[0].length);
  close(text.length);
  return sentences;
}
