import { LEET, LOOKALIKES } from './lookalikes.ts';

/** How a letter is separated from the one before it. */
export const GAP = { none: 0, apostrophe: 1, hyphen: 2, sign: 3, space: 4, sentence: 5 } as const;

/** The letters and digits of a text, folded, each with its place in the text. Arrays of equal length. */
export interface Letters {
  /** Small Latin letters where a letter is or looks like one; a sign of `LEET` where it stands before a letter. */
  chars: string[];
  /** UTF-16 offsets in the text. */
  starts: number[];
  ends: number[];
  gaps: number[];
  /** Length of what separates it from the letter before, in UTF-16 units. */
  gapLengths: number[];
  flags: number[];
  /** Index behind the last of the same letters in an unbroken row. */
  runEnds: number[];
}

export const FLAG = {
  /** A sign that may stand for a letter. */
  sign: 1,
  /** A capital within a hashtag, at which a new word begins. */
  camel: 2,
  /** Written in another way than it reads: a lookalike or a compatibility form. */
  disguised: 4,
  /** Characters that cannot be seen stand before it. */
  hidden: 8,
} as const;

const LETTER = /[\p{L}\p{N}]/u;
const MARK = /\p{M}/u;
/** Accents, strokes and rings that are set upon letters; the vowel signs of Indic scripts are letters here. */
const ACCENT = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/u;
const ACCENTS = new RegExp(ACCENT, 'gu');
const IGNORED = /\p{Default_Ignorable_Code_Point}/u;
const SPACE = /\s/u;
const STOP = /[.!?…。！？]/u;
const APOSTROPHE = /['’ʼ]/u;
const HYPHEN = /[-\u2010\u2011]/u;
const UPPER = /\p{Lu}/u;
/** Scripts whose words are not separated by spaces. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

export const isUnspaced = (char: string | undefined) => char !== undefined && char > '\u0dff' && UNSPACED.test(char);

/** Languages whose own letters look like Latin ones, and are not folded into them. */
const NOT_LATIN = new Set(['be', 'bg', 'el', 'hy', 'kk', 'mk', 'mn', 'ru', 'sr', 'tg', 'uk']);

export interface Folding {
  /** Whether an accent makes no other letter: in English, café is cafe; in German, für is not fur. */
  accents: boolean;
  lookalikes: boolean;
}

export function foldingOf(language: string): Folding {
  const code = language.slice(0, 2);
  return { accents: code === 'en', lookalikes: !NOT_LATIN.has(code) };
}

/** Full case folding: ß is ss, the final sigma is a sigma, the dotless i is an i. */
const lower = (text: string) => text.toUpperCase().toLowerCase();

interface Folded {
  chars: readonly string[];
  disguised: boolean;
}

const NOTHING: Folded = { chars: [], disguised: false };
const caches = [0, 1, 2, 3].map(() => new Map<string, Folded>());
const CACHE_SIZE = 5000;
const LONGEST_LIGATURE = 4;

function foldAnew(char: string, folding: Folding): Folded {
  const alike = folding.lookalikes ? LOOKALIKES.get(char) : undefined;
  if (alike !== undefined) return { chars: [alike], disguised: true };
  const split = folding.accents ? char.normalize('NFKD').replace(ACCENTS, '') : char.normalize('NFKC');
  const plain = folding.accents ? char.normalize('NFD').replace(ACCENTS, '') : char;
  const chars: string[] = [];
  for (const piece of lower(split)) {
    if (folding.accents && ACCENT.test(piece)) continue;
    if (LETTER.test(piece) || MARK.test(piece))
      chars.push((folding.lookalikes ? LOOKALIKES.get(piece) : undefined) ?? piece);
  }
  if (chars.length === 0) return NOTHING;
  // Ligatures of whole phrases, up to 18 letters in one character, would multiply the work.
  return chars.length > LONGEST_LIGATURE ? { chars: [char], disguised: false } : { chars, disguised: split !== plain };
}

function fold(char: string, folding: Folding): Folded {
  const cache = caches[(folding.accents ? 1 : 0) + (folding.lookalikes ? 2 : 0)] as Map<string, Folded>;
  const known = cache.get(char);
  if (known !== undefined) return known;
  const folded = foldAnew(char, folding);
  if (cache.size < CACHE_SIZE) cache.set(char, folded);
  return folded;
}

class Reader {
  readonly letters: Letters = { chars: [], starts: [], ends: [], gaps: [], gapLengths: [], flags: [], runEnds: [] };
  readonly #text: string;
  readonly #folding: Folding;
  #gap: number = GAP.none;
  #gapLength = 0;
  #hasStop = false;
  #hidden = false;
  #inHashtag: boolean;
  #lastUpper = false;

  constructor(text: string, folding: Folding, isHashtag: boolean) {
    this.#text = text;
    this.#folding = folding;
    this.#inHashtag = isHashtag;
  }

  read(): Letters {
    let at = 0;
    for (const char of this.#text) {
      this.#take(char, at);
      at += char.length;
    }
    this.#countRuns();
    return this.letters;
  }

  #take(char: string, at: number): void {
    if (IGNORED.test(char)) {
      this.#hidden = true;
      return;
    }
    if (ACCENT.test(char)) return this.#accent(char, at);
    const { chars, disguised } = fold(char, this.#folding);
    if (chars.length > 0)
      this.#push(chars, at, at + char.length, (disguised ? FLAG.disguised : 0) | this.#camel(char, at));
    else if (LEET.has(char) && LETTER.test(this.#text.slice(at + 1, at + 2))) this.#push([char], at, at + 1, FLAG.sign);
    else this.#separate(char);
  }

  /** An accent of its own: part of the letter before it where that makes a letter of the language, else nothing. */
  #accent(char: string, at: number): void {
    const { chars, ends } = this.letters;
    const last = chars.length - 1;
    if (last < 0 || this.#gap !== GAP.none) return;
    ends[last] = at + char.length;
    if (this.#folding.accents) return;
    const whole = `${chars[last]}${char}`.normalize('NFC');
    if (whole.length === 1) chars[last] = whole;
  }

  #separate(char: string): void {
    if (char === '#' || char === '＃') this.#inHashtag = true;
    else if (this.#gapLength > 0 || this.letters.chars.length > 0) this.#inHashtag &&= char === '_';
    if (STOP.test(char)) this.#hasStop = true;
    if (SPACE.test(char))
      this.#widen(this.#hasStop || (char === '\n' && this.#gap >= GAP.space) ? GAP.sentence : GAP.space);
    else if (APOSTROPHE.test(char) && this.#gap === GAP.none) this.#widen(GAP.apostrophe);
    else if (HYPHEN.test(char) && this.#gap === GAP.none) this.#widen(GAP.hyphen);
    else this.#widen(this.#hasStop && this.#gap >= GAP.space ? GAP.sentence : GAP.sign);
    this.#gapLength += char.length;
    this.#lastUpper = false;
  }

  #widen(gap: number): void {
    this.#gap = Math.max(this.#gap, gap);
  }

  /** A hashtag's capital begins a word behind a small letter or a digit, and the last of several before a small letter. */
  #camel(char: string, at: number): number {
    const isUpper = UPPER.test(char);
    const begins =
      isUpper && (!this.#lastUpper || /^\p{Ll}/u.test(this.#text.slice(at + char.length, at + char.length + 2)));
    this.#lastUpper = isUpper;
    return this.#inHashtag && begins ? FLAG.camel : 0;
  }

  #push(chars: readonly string[], start: number, end: number, flags: number): void {
    const { letters } = this;
    for (const [index, char] of chars.entries()) {
      const isFirst = index === 0;
      letters.chars.push(char);
      letters.starts.push(start);
      letters.ends.push(end);
      letters.gaps.push(isFirst ? this.#gap : GAP.none);
      letters.gapLengths.push(isFirst ? this.#gapLength : 0);
      letters.flags.push((isFirst ? flags : flags & ~FLAG.camel) | (isFirst && this.#hidden ? FLAG.hidden : 0));
    }
    this.#gap = GAP.none;
    this.#gapLength = 0;
    this.#hasStop = false;
    this.#hidden = false;
  }

  #countRuns(): void {
    const { chars, gaps, runEnds } = this.letters;
    for (let at = chars.length - 1; at >= 0; at -= 1)
      runEnds[at] = chars[at + 1] === chars[at] && gaps[at + 1] === GAP.none ? (runEnds[at + 1] as number) : at + 1;
  }
}

/** Reads the letters of any text, whatever it holds. Linear in its length. */
export function lettersOf(text: string, folding: Folding, isHashtag = false): Letters {
  return new Reader(text, folding, isHashtag).read();
}
