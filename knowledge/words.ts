import { folded, plainNumber } from './clean.ts';

/** A word of a text, in the order of the text. */
export interface Word {
  /** Without accents, in lower case; numbers in plain writing. */
  plain: string;
  kind: 'word' | 'number';
  /** A word that begins with a capital where no sentence begins: a name. */
  isName: boolean;
}

const TOKEN =
  /\d{1,3}(?:[,'\u00a0\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:k\b)?|[\p{L}\p{M}][\p{L}\p{N}\p{M}]*(?:['\u2019]\p{L}+)?/gu;

/** Words that carry no matter of their own: with or without them a sentence says the same. */
const FUNCTION_WORDS: ReadonlySet<string> = new Set(
  (
    'a an the this that these those our your their its his her my we you they it he she i us them is are was were be been being ' +
    'of in on at to for from by with as and or but so also just really very currently simply please there here which who whom whose ' +
    'do does did has have had will would can could may might shall should than then about into per'
  ).split(' '),
);

/** Words that turn a statement into its opposite. */
const NEGATION: ReadonlySet<string> = new Set(
  'not no never none neither nor without cannot cant dont doesnt didnt isnt arent wasnt werent wont wouldnt shouldnt couldnt hasnt havent nothing nobody'.split(
    ' ',
  ),
);

/** The words and numbers of a text. */
export function wordsOf(text: string): Word[] {
  const isShouted = !/\p{Ll}/u.test(text);
  const words: Word[] = [];
  for (const found of text.matchAll(TOKEN)) {
    const [written] = found;
    if (/^\d/.test(written)) {
      const thousands = written.endsWith('k');
      const plain = thousands ? String(Number(written.slice(0, -1)) * 1_000) : plainNumber(written);
      words.push({ plain, kind: 'number', isName: false });
      continue;
    }
    const before = text.slice(0, found.index).trimEnd();
    const isFirst = before === '' || /[.!?:"\u201c(\u2022-]$/.test(before);
    const isName = !isShouted && !isFirst && /^\p{Lu}/u.test(written);
    words.push({ plain: folded(written).replaceAll(/['\u2019]/g, ''), kind: 'word', isName });
  }
  return words;
}

export function isFunctionWord({ plain, kind }: Word): boolean {
  return kind === 'word' && FUNCTION_WORDS.has(plain);
}

export function isNegation({ plain, kind }: Word): boolean {
  return kind === 'word' && NEGATION.has(plain);
}

/** So many words with matter say what they are about themselves. */
const STANDS_ALONE_FROM = 8;

/** Whether words say what they are about without the heading over them: they name something, or there are many. */
export function standsAlone(matter: readonly Word[]): boolean {
  return matter.length >= STANDS_ALONE_FROM || matter.some(({ isName }) => isName);
}

/** A word without the endings that only fit it into a sentence. */
export function stem(word: string): string {
  if (word.length <= 3) return word;
  return word.replace(/(?<=\w{3})ies$/, 'y').replace(/(?<=[^s])s$/, '');
}
