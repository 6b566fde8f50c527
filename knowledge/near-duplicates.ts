import { folded } from './clean.ts';
import { nameId } from './hash.ts';
import { isFunctionWord, isNegation, standsAlone, type Word, wordsOf } from './words.ts';

/*
 * Two texts are near duplicates when they say the same, word for word, but for case, punctuation, function words and slips of the
 * pen. Similarity of shingles, as MinHash estimates it (Broder, On the Resemblance and Containment of Documents, 1997), is no
 * measure for that in texts of one sentence: "the Basic plan costs $29 a month" and "the Pro plan costs $59 a month" share three
 * quarters of their shingles. The check below is stricter, and what it admits agrees in the first letters of all words, in every
 * number and in negation. So these make the key under which duplicates are looked for: it finds all of them, and which facts
 * come out does not depend on chance or on the order of the files.
 */

/** Texts of fewer words than this are taken as they are: there is too little to tell a slip from another word. */
const FEWEST_WORDS = 3;
/** A word of this many letters may have one slip, of twice as many (less one) two: insertion, loss, swap or change of a letter. */
const SLIP_FROM = 5;
/** One word in so many may be misspelt, one in any text. */
const WORDS_A_SLIP = 8;

/** A text as it is compared. */
export interface Comparable {
  context: string;
  text: string;
}

const matterOf = (text: string) => wordsOf(text).filter((word) => !isFunctionWord(word));

/**
 * The key that near duplicates have in common; null for a text that has none. A text that stands alone says the same under any heading.
 */
export function nearKeyOf({ context, text }: Comparable): string | null {
  const words = matterOf(text);
  if (words.length < FEWEST_WORDS) return null;
  const initials = words.map(({ plain, kind }) => (kind === 'number' ? '#' : (plain.codePointAt(0) ?? 0).toString(36)));
  const numbers = words.filter(({ kind }) => kind === 'number').map(({ plain }) => plain);
  const isDenied = words.some(isNegation);
  const heading = standsAlone(words) ? '' : folded(context);
  return nameId('near', heading, initials.join(' '), numbers.join(' '), String(isDenied));
}

/**
 * Of texts with one key, those that say the same as each. Symmetric; where slips add up over a chain of texts, all of them are one fact.
 * Where so few words may differ, some part of the texts is equal, by which they are found without comparing each with each.
 */
export function nearDuplicatesAmong<T extends Comparable>(texts: readonly T[]): (one: T) => T[] {
  const matter = new Map(texts.map((text) => [text, matterOf(text.text)]));
  const byPart = new Map<string, T[]>();
  for (const [text, words] of matter)
    for (const part of partsOf(words)) {
      const others = byPart.get(part);
      if (others) others.push(text);
      else byPart.set(part, [text]);
    }
  return (one) => {
    const words = matter.get(one) ?? matterOf(one.text);
    const alike = new Set(partsOf(words).flatMap((part) => byPart.get(part) ?? []));
    return [...alike].filter((other) => other !== one && saysTheSame(words, matter.get(other) ?? []));
  };
}

const mostSlips = (words: number) => Math.max(1, Math.floor(words / WORDS_A_SLIP));

/** One part more than there may be slips: a part is left that holds none. */
function partsOf(words: readonly Word[]): string[] {
  const count = mostSlips(words.length) + 1;
  const plain = words.map((word) => word.plain);
  return Array.from({ length: count }, (_, at) => {
    const part = plain.slice(Math.floor((at * plain.length) / count), Math.floor(((at + 1) * plain.length) / count));
    return `${plain.length} ${at} ${part.join(' ')}`;
  });
}

function saysTheSame(left: readonly Word[], right: readonly Word[]): boolean {
  if (left.length !== right.length) return false;
  const most = mostSlips(left.length);
  let slips = 0;
  for (const [at, word] of left.entries()) {
    const other = right[at];
    if (!other) return false;
    if (word.plain === other.plain) continue;
    slips += 1;
    if (slips > most || !isSlip(word, other)) return false;
  }
  return true;
}

/** Names are never taken for misspelt, nor anything with a figure in it; nobody gets the first letter wrong. */
function isSlip(a: Word, b: Word): boolean {
  if (a.kind === 'number' || b.kind === 'number' || a.isName || b.isName) return false;
  if (/\d/.test(a.plain + b.plain) || isNegation(a) || isNegation(b)) return false;
  if (a.plain.codePointAt(0) !== b.plain.codePointAt(0)) return false;
  const length = Math.max(a.plain.length, b.plain.length);
  if (length < SLIP_FROM) return false;
  return slipsBetween(a.plain, b.plain) <= (length >= 2 * SLIP_FROM - 1 ? 2 : 1);
}

/** Optimal string alignment distance: insertions, losses, changes, and swaps of neighbours. */
function slipsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
