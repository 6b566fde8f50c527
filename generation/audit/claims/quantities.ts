import { NumberRow, type Bound } from './number-row.ts';
import { readingsOf, type Token } from './number-tokens.ts';
import { MONTHS, MULTIPLIERS, NUMBER_WORDS, SINCE_WORDS } from './quantity-units.ts';

/** A number with what it counts. Offsets are UTF-16. */
export interface Quantity {
  start: number;
  end: number;
  /** `count` for numbers without a unit. */
  dimension: string;
  /** In the base unit of the dimension; more than one where the numeral can be read in more ways. */
  values: number[];
  bound: Bound;
  /** Whether it counts customers, reviews and the like. */
  isProof: boolean;
}

/** Words before or behind which a number word says how many times more or less. */
const RATIOS: Record<string, { dimension: string; value: number; followers: ReadonlySet<string> }> = {
  half: { dimension: 'percent', value: 50, followers: new Set(['the', 'off', 'price', 'as', 'of']) },
  twice: { dimension: 'times', value: 2, followers: new Set(['as', 'the', 'your']) },
  double: { dimension: 'times', value: 2, followers: new Set(['the', 'your']) },
  triple: { dimension: 'times', value: 3, followers: new Set(['the', 'your']) },
};

/** Goes along the row and decides which numbers say something, and what. */
class Reader {
  readonly #row: NumberRow;
  readonly #found: Quantity[] = [];

  constructor(text: string) {
    this.#row = new NumberRow(text);
  }

  read(): Quantity[] {
    for (let at = 0; at < this.#row.tokens.length;) at = this.#readAt(at);
    return this.#found;
  }

  /** @returns index of the next token to look at */
  #readAt(at: number): number {
    const { kind, text } = this.#row.tokens[at] as Token;
    if (kind === 'number') return this.#readNumeral(at);
    if (kind !== 'word') return at + 1;
    const ratio = Object.hasOwn(RATIOS, text) ? RATIOS[text] : undefined;
    if (ratio?.followers.has(this.#row.word(at + 1)) === true)
      return this.#add(at, at, { dimension: ratio.dimension, values: [ratio.value] });
    return this.#readWords(at);
  }

  #readNumeral(at: number): number {
    const skip = this.#row.skipped(at);
    if (skip > 0) return at + skip;
    const token = this.#row.tokens[at] as Token;
    const values = readingsOf(token.text);
    const dated = this.#readDate(at, values[0] as number);
    if (dated > 0) return dated;
    const behind = this.#multiplied(at, values);
    return behind === undefined ? at + 2 : this.#measure(at, behind - 1, values);
  }

  /** A day of a month, as month times 100 plus day. @returns index of the next token, 0 when there is none */
  #readDate(at: number, value: number): number {
    const isOrdinal = this.#row.isGlued(at) && /^(?:st|nd|rd|th)$/.test(this.#row.word(at + 1));
    const behind = isOrdinal ? at + 2 : at + 1;
    const monthOf = (index: number) =>
      /^\p{Lu}/u.test(this.#row.text.slice(this.#row.tokens[index]?.start ?? 0))
        ? MONTHS.get(this.#row.word(index))
        : undefined;
    const [after, before] = [monthOf(behind), monthOf(at - 1)];
    const month = after ?? before;
    if (month === undefined) return isOrdinal ? behind : 0;
    if (!Number.isInteger(value) || value < 1 || value > 31) return behind;
    const [first, last] = after === undefined ? [at - 1, behind - 1] : [at, behind];
    return this.#add(first, last, { dimension: 'date', values: [month * 100 + value] });
  }

  /** Applies a thousand or a million that follows. @returns index behind the number; undefined for a name such as 4K or 5G */
  #multiplied(at: number, values: number[]): number | undefined {
    const next = this.#row.tokens[at + 1];
    if (next?.kind !== 'word' || !this.#row.isNear(at)) return at + 1;
    const factor = MULTIPLIERS.get(next.text);
    const isGlued = this.#row.isGlued(at);
    if (isGlued && /^[A-Z]$/.test(this.#row.text.slice(next.start, next.end))) {
      const isCount =
        this.#row.currencyBefore(at) !== undefined || this.#row.isPlus(at + 2) || this.#row.isProof(at + 2);
      if (next.text !== 'm' && !(next.text === 'k' && isCount)) return undefined;
    } else if (next.text === 'm' && this.#row.currencyBefore(at) === undefined) return at + 1;
    if (factor === undefined || (next.text === 'k' && !isGlued)) return at + 1;
    for (const [index, value] of values.entries()) values[index] = value * factor;
    return at + 2;
  }

  /** Number words of English, such as `twenty-five thousand`. */
  #readWords(from: number): number {
    let [total, current, at] = [0, 0, from];
    let isPlural = false;
    while (at < this.#row.tokens.length && (at === from || this.#row.isNear(at - 1))) {
      const word = this.#row.word(at);
      const small = NUMBER_WORDS.get(word);
      const factor = word.length > 3 ? MULTIPLIERS.get(word) : undefined;
      if (small !== undefined) current += small;
      else if (factor !== undefined && (at > from || this.#row.word(at - 1) === 'a' || word.endsWith('s'))) {
        isPlural ||= word.endsWith('s');
        current = Math.max(1, current) * factor;
        if (factor >= 1000) [total, current] = [total + current, 0];
      } else if (
        !(at > from && (word === 'and' || this.#row.tokens[at]?.text === '-') && this.#row.isNumberWord(at + 1))
      )
        break;
      at += 1;
    }
    if (at === from) return from + 1;
    const value = total + current;
    // “One day” and “one of them” say nothing about a number.
    return value <= 1 ? at : this.#measure(from, at - 1, [value], isPlural);
  }

  /** Finds what the number in `first` to `last` counts, and adds it. @returns index of the next token */
  #measure(first: number, last: number, values: number[], isPlural = false): number {
    const bound = isPlural || this.#row.isPlus(last + 1) ? 'least' : undefined;
    const rest = bound ? ({ bound } as const) : {};
    const currency = this.#row.currencyBefore(first);
    if (currency !== undefined) return this.#add(first - 1, last, { ...rest, dimension: currency, values });
    if (this.#row.isRating(first)) return this.#add(first, last + 2, { dimension: 'rating', values });
    const { unit, behind } = this.#row.unitBehind(last + 1);
    if (unit)
      return this.#add(first, behind - 1, {
        ...rest,
        dimension: unit.dimension,
        values: values.map((value) => value * unit.factor),
      });
    return this.#addBare(first, last, values, rest);
  }

  #addBare(first: number, last: number, values: number[], rest: Partial<Quantity>): number {
    const [value] = values as [number];
    const isYear = first === last && /^(?:1[5-9]|20)\d\d$/.test((this.#row.tokens[first] as Token).text);
    if (isYear && (SINCE_WORDS.has(this.#row.word(first - 1)) || SINCE_WORDS.has(this.#row.word(first - 2))))
      return this.#add(first, last, { dimension: 'since', values });
    // A decade, as in the 1990s, is no count.
    if (this.#row.isGlued(last) && this.#row.word(last + 1) === 's') return last + 2;
    const isProof = this.#row.isProof(last + 1);
    if ((isYear && !isProof) || (value <= 12 && Number.isInteger(value))) return last + 1;
    return this.#add(first, last, { ...rest, dimension: 'count', values, isProof });
  }

  #add(first: number, last: number, quantity: Pick<Quantity, 'dimension' | 'values'> & Partial<Quantity>): number {
    const [start, end] = [(this.#row.tokens[first] as Token).start, (this.#row.tokens[last] as Token).end];
    this.#found.push({ start, end, bound: this.#row.boundOf(first), isProof: false, ...quantity });
    return last + 1;
  }
}

/**
 * The numbers of a text that say something: shares, prices, multiples, ratings, measures, days of months, and counts above twelve.
 * Passed over are names (B2B, 4K, COVID-19), times, years, places in lists and small counts.
 */
export const quantitiesOf = (text: string): Quantity[] => new Reader(text).read();
