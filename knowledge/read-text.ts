import { LONGEST_BLOCK, LONGEST_CONTEXT } from './limits.ts';
import type { Piece, RawLine, Reader } from './piece.ts';
import { passagesOf } from './sentences.ts';

const BULLET = /^\s*(?:[-*•–·]|\d{1,3}[.)])\s+/;
/** A line at least this long that ends without a sign goes on in the next one, if that begins small. */
const WRAPPED_FROM = 50;

/** Plain text: each line is a fact or several, unless it was wrapped; a line that ends with a colon stands over the list below it. */
export class TextReader implements Reader {
  #open: RawLine[] = [];
  #length = 0;
  #context = '';

  push({ line, text }: RawLine): Piece[] {
    const last = this.#open.at(-1);
    const isBullet = BULLET.test(text);
    if (last && line === last.line + 1 && !isBullet && goesOn(last.text, text) && this.#length < LONGEST_BLOCK) {
      this.#open.push({ line, text });
      this.#length += text.length;
      return [];
    }
    const pieces = this.end();
    const plain = text.trim();
    if (/^\P{L}*$/u.test(plain) && !/\p{N}/u.test(plain)) {
      if (plain === '') this.#context = '';
      return pieces;
    }
    if (!isBullet) this.#context = '';
    if (!isBullet && plain.endsWith(':') && plain.length <= LONGEST_CONTEXT) this.#context = plain.slice(0, -1).trim();
    else this.#open = [{ line, text: isBullet ? text.replace(BULLET, '') : text }];
    return pieces;
  }

  end(): Piece[] {
    const pieces = passagesOf(this.#open).map((passage) => ({ segment: { ...passage, context: this.#context } }));
    this.#open = [];
    this.#length = 0;
    return pieces;
  }
}

function goesOn(before: string, after: string): boolean {
  return before.trimEnd().length >= WRAPPED_FROM && !/[.!?:;"”)\]]\s*$/.test(before) && /^\s*\p{Ll}/u.test(after);
}
