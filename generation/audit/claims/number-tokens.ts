import { plainWord } from '../text/words.ts';

/** A number, a word or a sign of a text; what else stands between them is not a token. Offsets are UTF-16. */
export interface Token {
  kind: 'number' | 'word' | 'sign';
  /** Words in small letters without accents. */
  text: string;
  start: number;
  end: number;
}

/** Digits in groups of three with one of the separators of the world, or in a row; then decimals. */
const NUMBER = String.raw`\d{1,3}(?:[.,'’\u00a0\u202f ]\d{3}(?!\d))+(?:[.,]\d+)?|\d+(?:[.,]\d+)?`;
const TOKEN = new RegExp(String.raw`(${NUMBER})|([\p{L}\p{M}]+)|[%×°#+~≈/:$€£¥₹½¼¾–-]`, 'gu');

/** The zeros of the decimal digits outside ASCII that take one UTF-16 unit. */
const ZEROS = [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0e50, 0xff10];
const DIGIT =
  /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f\u0ae6-\u0aef\u0e50-\u0e59\uff10-\uff19]/g;

/** Digits of other scripts as ASCII, at the same places. */
const asciiDigits = (text: string) =>
  text.replace(DIGIT, (digit) => {
    const code = digit.charCodeAt(0);
    return String(code - (ZEROS.findLast((zero) => zero <= code) as number));
  });

/** Addresses hold numbers that claim nothing; spaces take their place. */
const withoutAddresses = (text: string) =>
  text.replace(/\S+/g, (piece) => (/:\/\/|@|^www\./.test(piece) ? ' '.repeat(piece.length) : piece));

export function tokensOf(text: string): Token[] {
  return Array.from(asciiDigits(withoutAddresses(text)).matchAll(TOKEN), (found): Token => {
    const [whole, number, word] = found;
    return {
      kind: number !== undefined ? 'number' : word !== undefined ? 'word' : 'sign',
      text: word === undefined ? whole : plainWord(word),
      start: found.index,
      end: found.index + whole.length,
    };
  });
}

/**
 * What a numeral can mean: `1.234` is one and a bit in English and more than a thousand in German, and nobody says which.
 * @returns one or two readings
 */
export function readingsOf(numeral: string): number[] {
  const digits = numeral.replace(/['’\u00a0\u202f ]/g, '');
  const signs = digits.match(/[.,]/g) ?? [];
  if (signs.length === 0) return [Number(digits)];
  const last = digits.search(/[.,](?=\d+$)/);
  const joined = Number(digits.replace(/[.,]/g, ''));
  const decimal = Number(`${digits.slice(0, last).replace(/[.,]/g, '')}.${digits.slice(last + 1)}`);
  const isGroup = digits.length - last === 4;
  if (signs.length > 1) return [isGroup && new Set(signs).size === 1 ? joined : decimal];
  return isGroup ? [joined, decimal] : [decimal];
}
