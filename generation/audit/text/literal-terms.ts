import type { TermHit } from './term-matcher.ts';

/** Signs that only separate words; any other sign belongs to its term, as in `#1`, `100 %` and `C++`. */
const SEPARATING = /[\p{L}\p{M}\p{N}\s\-–—_'’.,/:;!?"“”()&…·]/u;
const SOLID = /[\p{L}\p{N}]/u;
const SPACE = /\s/u;
const IGNORED = /\p{Default_Ignorable_Code_Point}/u;
const MOST_HITS = 500;

/** Whether a term has to be found sign by sign. */
export function isLiteral(term: string): boolean {
  const signs = Array.from(term.normalize('NFKC')).filter((char) => !IGNORED.test(char));
  // Within a word, these two are read as letters.
  if (/[!|]\p{L}/u.test(signs.join(''))) return true;
  return signs.some((char) => !SEPARATING.test(char)) || !signs.some((char) => SOLID.test(char));
}

/** A text without spaces and case, and where each of its UTF-16 units came from. */
interface Squeezed {
  text: string;
  starts: number[];
  ends: number[];
  /** Whether a space stood before the unit. */
  spaced: boolean[];
}

function squeeze(text: string): Squeezed {
  const squeezed: Squeezed = { text: '', starts: [], ends: [], spaced: [] };
  let [at, isSpaced] = [0, true];
  const pieces: string[] = [];
  for (const char of text) {
    const start = at;
    at += char.length;
    if (SPACE.test(char)) isSpaced = true;
    if (SPACE.test(char) || IGNORED.test(char)) continue;
    const piece = char.normalize('NFKC').toLowerCase();
    pieces.push(piece);
    for (let unit = 0; unit < piece.length; unit += 1) {
      squeezed.starts.push(start);
      squeezed.ends.push(at);
      squeezed.spaced.push(isSpaced && unit === 0);
    }
    isSpaced = false;
  }
  squeezed.text = pieces.join('');
  return squeezed;
}

/** Finds terms that hold signs, whatever the case, the spaces and the width of their characters. */
export class LiteralTerms {
  readonly #terms: { term: number; text: string }[];

  constructor(terms: readonly string[]) {
    this.#terms = terms.flatMap((term, index) => (isLiteral(term) ? [{ term: index, text: squeeze(term).text }] : []));
  }

  find(text: string): TermHit[] {
    if (this.#terms.length === 0) return [];
    const squeezed = squeeze(text);
    return this.#terms.flatMap(({ term, text: wanted }) => {
      const hits: TermHit[] = [];
      for (let at = squeezed.text.indexOf(wanted); at !== -1;) {
        const last = at + wanted.length - 1;
        if (isApart(squeezed, at) && isApart(squeezed, last + 1) && hits.length < MOST_HITS)
          hits.push({
            term,
            start: squeezed.starts[at] as number,
            end: squeezed.ends[last] as number,
            disguised: false,
          });
        at = squeezed.text.indexOf(wanted, at + 1);
      }
      return hits;
    });
  }
}

/** Whether two neighbours belong to no common word or number. */
function isApart({ text, spaced }: Squeezed, at: number): boolean {
  if (at === 0 || at >= text.length || spaced[at] === true) return true;
  return !(SOLID.test(text[at] as string) && SOLID.test(text[at - 1] as string));
}
