import { formsOf } from './inflections.ts';
import { FLAG, foldingOf, GAP, isUnspaced, lettersOf, type Folding, type Letters } from './letters.ts';
import { LEET } from './lookalikes.ts';

/** A place where a term stands. Offsets are UTF-16. */
export interface TermHit {
  /** Index in the list of terms. */
  term: number;
  start: number;
  end: number;
  /** Whether the text tries to hide it: spaced out, lookalike letters, digits for letters, hidden characters. */
  disguised: boolean;
}

interface Node {
  next: Map<string, Node>;
  terms: number[];
}

const BREAK = ' ';
const HOW = { signs: 1, spaces: 2, leet: 4, stretched: 8, letter: 16, hyphens: 32 } as const;
/** Separators between two letters of one spaced-out word at most, in UTF-16 units. */
const LONGEST_GAP = 3;
const DIGIT = /\p{N}/u;

interface State {
  node: Node;
  how: number;
}

const makeNode = (): Node => ({ next: new Map(), terms: [] });

export interface TermOptions {
  /** ISO 639-1, a region may follow. */
  language: string;
  /** Whether other forms of the words are found too. */
  inflected?: boolean;
  /** Whether terms that the text tries to hide are found too. */
  disguised?: boolean;
  /** Whether all terms are adjectives, which have a comparative. */
  adjectives?: boolean;
}

/**
 * Finds whole words and phrases in texts, by one walk through a prefix tree from each beginning of a word; the work is linear in
 * the text, with a factor that only the length of the longest term bounds.
 */
export class TermMatcher {
  readonly folding: Folding;
  readonly #root = makeNode();
  readonly #tricks: boolean;

  constructor(terms: readonly string[], options: TermOptions) {
    this.folding = foldingOf(options.language);
    this.#tricks = options.disguised ?? false;
    for (const [index, term] of terms.entries()) this.#add(term, index, options);
  }

  find(letters: Letters): TermHit[] {
    const hits: TermHit[] = [];
    for (let at = 0; at < letters.chars.length; at += 1) if (isBreak(letters, at)) this.#walk(letters, at, hits);
    return withoutContained(hits);
  }

  #add(term: string, index: number, options: TermOptions): void {
    const words = wordsOf(term, this.folding);
    if (words.length === 0) return;
    const language = options.language.slice(0, 2);
    const variants = new Set<string>([words.join(BREAK)]);
    if (options.inflected === true)
      for (const place of new Set([0, words.length - 1]))
        for (const form of formsOf(words[place] ?? '', language, options.adjectives))
          variants.add(words.with(place, form).join(BREAK));
    for (const variant of variants) this.#insert(variant, index);
  }

  #insert(variant: string, index: number): void {
    let node = this.#root;
    for (const char of variant) {
      const next = node.next.get(char) ?? makeNode();
      node.next.set(char, next);
      node = next;
    }
    if (!node.terms.includes(index)) node.terms.push(index);
  }

  #walk(letters: Letters, from: number, hits: TermHit[]): void {
    let states: State[] = [{ node: this.#root, how: 0 }];
    const ends = new Map<number, TermHit>();
    for (let at = from; at < letters.chars.length && states.length > 0;) {
      const run = letters.runEnds[at] as number;
      const isStretched = this.#tricks && run - at > 2;
      const next = isStretched ? run : at + 1;
      const ready = at === from ? states : this.#acrossGap(letters, from, at, states);
      states = ready.flatMap((state) => this.#consume(letters, at, state, isStretched ? run - at : 1));
      states = withoutTwins(states);
      for (const { node, how } of states)
        if (node.terms.length > 0 && isWhole(letters, from, next, how))
          for (const term of node.terms)
            ends.set(term, {
              term,
              start: letters.starts[from] as number,
              end: letters.ends[next - 1] as number,
              disguised: isDisguised(letters, from, next, how),
            });
      at = next;
    }
    hits.push(...ends.values());
  }

  /** What becomes of the states where the next letter does not follow directly. */
  #acrossGap(letters: Letters, from: number, at: number, states: readonly State[]): State[] {
    const gap = letters.gaps[at] as number;
    const across: State[] = [];
    const spaced = this.#tricks && gap !== GAP.none && (letters.gapLengths[at] as number) <= LONGEST_GAP;
    for (const { node, how } of states) {
      const broken = gap === GAP.sentence ? undefined : node.next.get(BREAK);
      if (broken) across.push({ node: broken, how });
      if (gap === GAP.none) across.push({ node, how });
      else if (spaced && gap === GAP.hyphen) across.push({ node, how: how | HOW.hyphens });
      else if (spaced && gap === GAP.sign) across.push({ node, how: how | HOW.signs });
      else if (spaced && isSpacedOut(letters, from, at)) {
        across.push({ node, how: how | HOW.spaces });
        const next = gap === GAP.sentence ? node.next.get(BREAK) : undefined;
        if (next) across.push({ node: next, how: how | HOW.spaces });
      }
    }
    return across;
  }

  /** The states after one letter, or after a row of `times` equal ones, which may stand for fewer. */
  #consume(letters: Letters, at: number, state: State, times: number): State[] {
    const char = letters.chars[at] as string;
    const isSign = ((letters.flags[at] as number) & FLAG.sign) !== 0;
    const reached: State[] = [];
    const follow = (letter: string, how: number) => {
      let { node } = state;
      for (let count = 1; count <= times; count += 1) {
        const next = node.next.get(letter);
        if (!next) return;
        node = next;
        reached.push({ node, how: state.how | how | (count < times ? HOW.stretched : 0) });
      }
    };
    if (!isSign) follow(char, DIGIT.test(char) ? 0 : HOW.letter);
    if (!this.#tricks) return reached;
    for (const letter of LEET.get(char) ?? '') follow(letter, HOW.leet);
    if (isSign && state.node !== this.#root) reached.push({ node: state.node, how: state.how | HOW.signs });
    return reached;
  }
}

/** The words of a term, folded. */
function wordsOf(term: string, folding: Folding): string[] {
  const letters = lettersOf(term, folding);
  const words: string[] = [];
  for (const [at, char] of letters.chars.entries()) {
    if (((letters.flags[at] as number) & FLAG.sign) !== 0) continue;
    if (words.length === 0 || letters.gaps[at] !== GAP.none) words.push(char);
    else words[words.length - 1] += char;
  }
  return words;
}

/** Whether a word may begin at `at`, or end before it. */
function isBreak(letters: Letters, at: number): boolean {
  if (at === 0 || at >= letters.chars.length || letters.gaps[at] !== GAP.none) return true;
  const flags = letters.flags[at] as number;
  if ((flags & (FLAG.camel | FLAG.sign)) !== 0 || ((letters.flags[at - 1] as number) & FLAG.sign) !== 0) return true;
  const [char, before] = [letters.chars[at], letters.chars[at - 1]];
  return isUnspaced(char) || isUnspaced(before) || isDigitBreak(letters, at);
}

/** A digit beside a letter, as in `4free`, separates words; too weakly for short ones, as in B2B. */
function isDigitBreak(letters: Letters, at: number): boolean {
  if (at === 0 || at >= letters.chars.length || letters.gaps[at] !== GAP.none) return false;
  return DIGIT.test(letters.chars[at] as string) !== DIGIT.test(letters.chars[at - 1] as string);
}

const isSingle = (letters: Letters, at: number) =>
  at >= 0 &&
  at < letters.chars.length &&
  (at === 0 || letters.gaps[at] !== GAP.none) &&
  (at + 1 === letters.chars.length || letters.gaps[at + 1] !== GAP.none);

/** Whether all letters of a range stand alone. Ranges are as short as terms. */
function isSpacedOut(letters: Letters, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (!isSingle(letters, at)) return false;
  return true;
}

/** Whether more single letters join a range, so that it is only part of an abbreviation or a spaced-out word. */
function hasSingleNeighbours(letters: Letters, from: number, to: number): boolean {
  const near = (at: number) => (letters.gapLengths[at] ?? Infinity) <= LONGEST_GAP;
  return (isSingle(letters, from - 1) && near(from)) || (isSingle(letters, to) && near(to));
}

function isWhole(letters: Letters, from: number, to: number, how: number): boolean {
  if (!isBreak(letters, to)) return false;
  const length = to - from;
  if (length < 4 && (isDigitBreak(letters, from) || isDigitBreak(letters, to))) return false;
  if ((how & HOW.leet) !== 0 && ((how & HOW.letter) === 0 || length < 3)) return false;
  if ((how & (HOW.signs | HOW.spaces | HOW.hyphens)) === 0) return true;
  const spacedOut = isSpacedOut(letters, from, to);
  if (!spacedOut) return (how & HOW.spaces) === 0;
  return length > 3 || (length === 3 && !hasSingleNeighbours(letters, from, to));
}

function isDisguised(letters: Letters, from: number, to: number, how: number): boolean {
  if ((how & (HOW.signs | HOW.spaces | HOW.leet | HOW.stretched)) !== 0) return true;
  // A hyphen within a word is a way to spell it, between all of its letters it is not.
  if ((how & HOW.hyphens) !== 0 && isSpacedOut(letters, from, to)) return true;
  for (let at = from; at < to; at += 1) {
    const flags = letters.flags[at] as number;
    // What is hidden before the first letter hides nothing of the word.
    if ((flags & FLAG.disguised) !== 0 || (at > from && (flags & FLAG.hidden) !== 0)) return true;
  }
  return false;
}

function withoutTwins(states: State[]): State[] {
  if (states.length < 2) return states;
  return states.filter(
    ({ node, how }, at) => states.findIndex((other) => other.node === node && other.how === how) === at,
  );
}

/** Drops hits that lie within another one of the same term. */
function withoutContained(hits: readonly TermHit[]): TermHit[] {
  const reach = new Map<number, number>();
  return hits
    .toSorted((a, b) => a.start - b.start || b.end - a.end)
    .filter(({ term, end }) => {
      if (end <= (reach.get(term) ?? -1)) return false;
      reach.set(term, end);
      return true;
    });
}
