import { readingsOf, tokensOf, type Token } from './number-tokens.ts';
import {
  BOUNDS,
  CURRENCY_SIGNS,
  MONTHS,
  MULTIPLIERS,
  NUMBER_WORDS,
  PROOF_NOUNS,
  SINCE_WORDS,
  unitNamed,
} from './quantity-units.ts';

/** A number with what it counts. Offsets are UTF-16. */
export interface Quantity {
  start: number;
  end: number;
  /** `count` for numbers without a unit. */
  dimension: string;
  /** In the base unit of the dimension; more than one where the numeral can be read in more ways. */
  values: number[];
  bound: 'exact' | 'least' | 'most' | 'about';
  /** Whether it counts customers, reviews and the like. */
  isProof: boolean;
}

const CURRENCY_WORDS = new Set(['usd', 'eur', 'gbp', 'chf', 'inr', 'jpy', 'rs']);
/** Words before or behind which a number word says how many times more or less. */
const RATIOS: Record<string, { dimension: string; value: number; followers: ReadonlySet<string> }> = {
  half: { dimension: 'percent', value: 50, followers: new Set(['the', 'off', 'price', 'as', 'of']) },
  twice: { dimension: 'times', value: 2, followers: new Set(['as', 'the', 'your']) },
  double: { dimension: 'times', value: 2, followers: new Set(['the', 'your']) },
  triple: { dimension: 'times', value: 3, followers: new Set(['the', 'your']) },
};

class Reader {
  readonly #text: string;
  readonly #tokens: Token[];
  readonly #found: Quantity[] = [];

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  read(): Quantity[] {
    for (let at = 0; at < this.#tokens.length;) at = this.#readAt(at);
    return this.#found;
  }

  /** @returns index of the next token to look at */
  #readAt(at: number): number {
    const { kind, text } = this.#tokens[at] as Token;
    if (kind === 'number') return this.#readNumeral(at);
    if (kind !== 'word') return at + 1;
    const ratio = Object.hasOwn(RATIOS, text) ? RATIOS[text] : undefined;
    if (ratio?.followers.has(this.#word(at + 1)) === true)
      return this.#add(at, at, { dimension: ratio.dimension, values: [ratio.value] });
    return this.#readWords(at);
  }

  #readNumeral(at: number): number {
    const skip = this.#skipped(at);
    if (skip > 0) return at + skip;
    const token = this.#tokens[at] as Token;
    const values = readingsOf(token.text);
    const dated = this.#readDate(at, values[0] as number);
    if (dated > 0) return dated;
    const behind = this.#multiplied(at, values);
    return behind === undefined ? at + 2 : this.#measure(at, behind - 1, values);
  }

  /** How many tokens to pass over because this number is a name, a time, a date or a place in a list. */
  #skipped(at: number): number {
    const [token, next, second] = [this.#tokens[at] as Token, this.#tokens[at + 1], this.#tokens[at + 2]];
    const before = this.#tokens[at - 1];
    const isGlued = this.#isGlued(at - 1);
    if (isGlued && before?.kind === 'word') return 1;
    if (isGlued && before?.text === '-' && this.#isGlued(at - 2) && this.#tokens[at - 2]?.kind === 'word') return 1;
    if (this.#isGlued(at) && next?.text === ':' && second?.kind === 'number') return 3;
    if (this.#isGlued(at) && (next?.text === '/' || next?.text === 'x') && second?.kind === 'number')
      return this.#isRating(at) ? 0 : 3;
    const isLineStart = /(?:^|\n)\s{0,8}$/.test(this.#text.slice(Math.max(0, token.start - 9), token.start));
    return isLineStart && /^[.)]\s/.test(this.#text.slice(token.end, token.end + 2)) ? 1 : 0;
  }

  #isRating(at: number): boolean {
    const best = this.#tokens[at + 2]?.text;
    return (
      this.#tokens[at + 1]?.text === '/' &&
      (best === '5' || best === '10') &&
      Number(this.#tokens[at]?.text) <= Number(best)
    );
  }

  /** A day of a month, as month times 100 plus day. @returns index of the next token, 0 when there is none */
  #readDate(at: number, value: number): number {
    const isOrdinal = this.#isGlued(at) && /^(?:st|nd|rd|th)$/.test(this.#word(at + 1));
    const behind = isOrdinal ? at + 2 : at + 1;
    const monthOf = (index: number) =>
      /^\p{Lu}/u.test(this.#text.slice(this.#tokens[index]?.start ?? 0)) ? MONTHS.get(this.#word(index)) : undefined;
    const [after, before] = [monthOf(behind), monthOf(at - 1)];
    const month = after ?? before;
    if (month === undefined) return isOrdinal ? behind : 0;
    if (!Number.isInteger(value) || value < 1 || value > 31) return behind;
    const [first, last] = after === undefined ? [at - 1, behind - 1] : [at, behind];
    return this.#add(first, last, { dimension: 'date', values: [month * 100 + value] });
  }

  /** Applies a thousand or a million that follows. @returns index behind the number; undefined for a name such as 4K or 5G */
  #multiplied(at: number, values: number[]): number | undefined {
    const next = this.#tokens[at + 1];
    if (next?.kind !== 'word' || !this.#isNear(at)) return at + 1;
    const factor = MULTIPLIERS.get(next.text);
    const isGlued = this.#isGlued(at);
    if (isGlued && /^[A-Z]$/.test(this.#text.slice(next.start, next.end))) {
      const isCount = this.#currencyBefore(at) !== undefined || this.#isPlus(at + 2) || this.#isProof(at + 2);
      if (next.text !== 'm' && !(next.text === 'k' && isCount)) return undefined;
    } else if (next.text === 'm' && this.#currencyBefore(at) === undefined) return at + 1;
    if (factor === undefined || (next.text === 'k' && !isGlued)) return at + 1;
    for (const [index, value] of values.entries()) values[index] = value * factor;
    return at + 2;
  }

  /** Number words of English, such as `twenty-five thousand`. */
  #readWords(from: number): number {
    let [total, current, at] = [0, 0, from];
    let isPlural = false;
    while (at < this.#tokens.length && (at === from || this.#isNear(at - 1))) {
      const word = this.#word(at);
      const small = NUMBER_WORDS.get(word);
      const factor = word.length > 3 ? MULTIPLIERS.get(word) : undefined;
      if (small !== undefined) current += small;
      else if (factor !== undefined && (at > from || this.#word(at - 1) === 'a' || word.endsWith('s'))) {
        isPlural ||= word.endsWith('s');
        current = Math.max(1, current) * factor;
        if (factor >= 1000) [total, current] = [total + current, 0];
      } else if (!(at > from && (word === 'and' || this.#tokens[at]?.text === '-') && this.#isNumberWord(at + 1)))
        break;
      at += 1;
    }
    if (at === from) return from + 1;
    const value = total + current;
    // “One day” and “one of them” say nothing about a number.
    return value <= 1 ? at : this.#measure(from, at - 1, [value], isPlural);
  }

  #isNumberWord(at: number): boolean {
    const word = this.#word(at);
    return NUMBER_WORDS.has(word) || (word.length > 3 && MULTIPLIERS.has(word));
  }

  /** Finds what the number in `first` to `last` counts, and adds it. @returns index of the next token */
  #measure(first: number, last: number, values: number[], isPlural = false): number {
    const bound = isPlural || this.#isPlus(last + 1) ? 'least' : undefined;
    const rest = bound ? ({ bound } as const) : {};
    const currency = this.#currencyBefore(first);
    if (currency !== undefined) return this.#add(first - 1, last, { ...rest, dimension: currency, values });
    if (this.#isRating(first)) return this.#add(first, last + 2, { dimension: 'rating', values });
    const { unit, behind } = this.#unitBehind(last + 1);
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
    const isYear = first === last && /^(?:1[5-9]|20)\d\d$/.test((this.#tokens[first] as Token).text);
    if (isYear && (SINCE_WORDS.has(this.#word(first - 1)) || SINCE_WORDS.has(this.#word(first - 2))))
      return this.#add(first, last, { dimension: 'since', values });
    // A decade, as in the 1990s, is no count.
    if (this.#isGlued(last) && this.#word(last + 1) === 's') return last + 2;
    const isProof = this.#isProof(last + 1);
    if ((isYear && !isProof) || (value <= 12 && Number.isInteger(value))) return last + 1;
    return this.#add(first, last, { ...rest, dimension: 'count', values, isProof });
  }

  /** The unit that follows, perhaps behind the second number of a range. */
  #unitBehind(at: number, hops = 0): { unit: ReturnType<typeof unitNamed>; behind: number } {
    const none = { unit: undefined, behind: at };
    const token = this.#tokens[at];
    if (!token || hops > 2 || !this.#isNear(at - 1)) return none;
    if (token.text === '-' || token.text === '–' || token.text === 'to') {
      if (this.#tokens[at + 1]?.kind === 'number') return { ...this.#unitBehind(at + 2, hops + 1), behind: at };
      return token.text === '-' && this.#isGlued(at) ? this.#unitBehind(at + 1, hops + 1) : none;
    }
    if (token.text === 'per' && this.#word(at + 1) === 'cent') return { unit: unitNamed('%'), behind: at + 2 };
    if (
      token.text === 'out' &&
      this.#word(at + 1) === 'of' &&
      /^(?:5|10|five|ten)$/.test(this.#tokens[at + 2]?.text ?? '')
    )
      return { unit: { dimension: 'rating', factor: 1 }, behind: at + 3 };
    if (token.text === 'pounds' || token.text === 'pound')
      return { unit: { dimension: 'money or weight', factor: 1 }, behind: at + 1 };
    // Times as in “ten times better”; “at all times” has no number before it.
    const unit = token.text === 'times' || token.text === 'time' ? unitNamed('x') : unitNamed(token.text);
    return unit && token.text !== 'time' ? { unit, behind: at + 1 } : none;
  }

  #currencyBefore(at: number): string | undefined {
    const before = this.#tokens[at - 1];
    if (!before || !this.#isNear(at - 1)) return undefined;
    if (before.kind === 'sign' && CURRENCY_SIGNS.includes(before.text)) return unitNamed(before.text)?.dimension;
    return CURRENCY_WORDS.has(before.text) ? unitNamed(before.text)?.dimension : undefined;
  }

  #boundOf(first: number): Quantity['bound'] {
    const [word, before] = [this.#word(first - 1), this.#word(first - 2)];
    if (word === 'than') return before === 'more' ? 'least' : before === 'less' ? 'most' : 'exact';
    return BOUNDS.get(before === 'up' ? 'up to' : word) ?? 'exact';
  }

  #add(first: number, last: number, quantity: Pick<Quantity, 'dimension' | 'values'> & Partial<Quantity>): number {
    const [start, end] = [(this.#tokens[first] as Token).start, (this.#tokens[last] as Token).end];
    this.#found.push({ start, end, bound: this.#boundOf(first), isProof: false, ...quantity });
    return last + 1;
  }

  #word(at: number): string {
    return this.#tokens[at]?.text ?? '';
  }

  #isPlus(at: number): boolean {
    return this.#tokens[at]?.text === '+' && this.#isNear(at - 1);
  }

  /** Whether customers or the like follow, at most one word further. */
  #isProof(at: number): boolean {
    const from = this.#isPlus(at) ? at + 1 : at;
    return (
      this.#isNear(from - 1) &&
      (PROOF_NOUNS.has(this.#word(from)) || (this.#isNear(from) && PROOF_NOUNS.has(this.#word(from + 1))))
    );
  }

  /** Whether nothing stands between a token and the next one. */
  #isGlued(at: number): boolean {
    return this.#tokens[at] !== undefined && this.#tokens[at]?.end === this.#tokens[at + 1]?.start;
  }

  /** Whether nothing but one space or hyphen stands between a token and the next one. */
  #isNear(at: number): boolean {
    const [token, next] = [this.#tokens[at], this.#tokens[at + 1]];
    if (!token || !next) return false;
    return next.start - token.end <= 1 && /^[\s-]?$/.test(this.#text.slice(token.end, next.start));
  }
}

/**
 * The numbers of a text that say something: shares, prices, multiples, ratings, measures, days of months, and counts above twelve.
 * Passed over are names (B2B, 4K, COVID-19), times, years, places in lists and small counts.
 */
export const quantitiesOf = (text: string): Quantity[] => new Reader(text).read();
