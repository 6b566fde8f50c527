import { tokensOf, type Token } from './number-tokens.ts';
import { BOUNDS, CURRENCY_SIGNS, MULTIPLIERS, NUMBER_WORDS, PROOF_NOUNS, unitNamed } from './quantity-units.ts';

/** Whether a number is meant as it stands, or as the least, the most or about what there is. */
export type Bound = 'exact' | 'least' | 'most' | 'about';

const CURRENCY_WORDS = new Set(['usd', 'eur', 'gbp', 'chf', 'inr', 'jpy', 'rs']);

/** The tokens of a text in their row, and what stands around a number in it. Tokens are named by their index. */
export class NumberRow {
  readonly text: string;
  readonly tokens: readonly Token[];

  constructor(text: string) {
    this.text = text;
    this.tokens = tokensOf(text);
  }

  word(at: number): string {
    return this.tokens[at]?.text ?? '';
  }

  /** Whether nothing stands between a token and the next one. */
  isGlued(at: number): boolean {
    return this.tokens[at] !== undefined && this.tokens[at]?.end === this.tokens[at + 1]?.start;
  }

  /** Whether nothing but one space or hyphen stands between a token and the next one. */
  isNear(at: number): boolean {
    const [token, next] = [this.tokens[at], this.tokens[at + 1]];
    if (!token || !next) return false;
    return next.start - token.end <= 1 && /^[\s-]?$/.test(this.text.slice(token.end, next.start));
  }

  /** How many tokens to pass over because this number is a name, a time, a date or a place in a list. */
  skipped(at: number): number {
    const [token, next, second] = [this.tokens[at] as Token, this.tokens[at + 1], this.tokens[at + 2]];
    const before = this.tokens[at - 1];
    const isGlued = this.isGlued(at - 1);
    if (isGlued && before?.kind === 'word') return 1;
    if (isGlued && before?.text === '-' && this.isGlued(at - 2) && this.tokens[at - 2]?.kind === 'word') return 1;
    if (this.isGlued(at) && next?.text === ':' && second?.kind === 'number') return 3;
    if (this.isGlued(at) && (next?.text === '/' || next?.text === 'x') && second?.kind === 'number')
      return this.isRating(at) ? 0 : 3;
    const isLineStart = /(?:^|\n)\s{0,8}$/.test(this.text.slice(Math.max(0, token.start - 9), token.start));
    return isLineStart && /^[.)]\s/.test(this.text.slice(token.end, token.end + 2)) ? 1 : 0;
  }

  /** Four of five, as in 4/5. */
  isRating(at: number): boolean {
    const best = this.tokens[at + 2]?.text;
    return (
      this.tokens[at + 1]?.text === '/' &&
      (best === '5' || best === '10') &&
      Number(this.tokens[at]?.text) <= Number(best)
    );
  }

  isNumberWord(at: number): boolean {
    const word = this.word(at);
    return NUMBER_WORDS.has(word) || (word.length > 3 && MULTIPLIERS.has(word));
  }

  isPlus(at: number): boolean {
    return this.tokens[at]?.text === '+' && this.isNear(at - 1);
  }

  /** Whether customers or the like follow, at most one word further. */
  isProof(at: number): boolean {
    const from = this.isPlus(at) ? at + 1 : at;
    return (
      this.isNear(from - 1) &&
      (PROOF_NOUNS.has(this.word(from)) || (this.isNear(from) && PROOF_NOUNS.has(this.word(from + 1))))
    );
  }

  /** The dimension of a sign or a word of money. */
  currencyBefore(at: number): string | undefined {
    const before = this.tokens[at - 1];
    if (!before || !this.isNear(at - 1)) return undefined;
    if (before.kind === 'sign' && CURRENCY_SIGNS.includes(before.text)) return unitNamed(before.text)?.dimension;
    return CURRENCY_WORDS.has(before.text) ? unitNamed(before.text)?.dimension : undefined;
  }

  /** The unit that follows, perhaps behind the second number of a range. */
  unitBehind(at: number, hops = 0): { unit: ReturnType<typeof unitNamed>; behind: number } {
    const none = { unit: undefined, behind: at };
    const token = this.tokens[at];
    if (!token || hops > 2 || !this.isNear(at - 1)) return none;
    if (token.text === '-' || token.text === '–' || token.text === 'to') {
      if (this.tokens[at + 1]?.kind === 'number') return { ...this.unitBehind(at + 2, hops + 1), behind: at };
      return token.text === '-' && this.isGlued(at) ? this.unitBehind(at + 1, hops + 1) : none;
    }
    if (token.text === 'per' && this.word(at + 1) === 'cent') return { unit: unitNamed('%'), behind: at + 2 };
    if (
      token.text === 'out' &&
      this.word(at + 1) === 'of' &&
      /^(?:5|10|five|ten)$/.test(this.tokens[at + 2]?.text ?? '')
    )
      return { unit: { dimension: 'rating', factor: 1 }, behind: at + 3 };
    if (token.text === 'pounds' || token.text === 'pound')
      return { unit: { dimension: 'money or weight', factor: 1 }, behind: at + 1 };
    // Times as in “ten times better”; “at all times” has no number before it.
    const unit = token.text === 'times' || token.text === 'time' ? unitNamed('x') : unitNamed(token.text);
    return unit && token.text !== 'time' ? { unit, behind: at + 1 } : none;
  }

  /** What the words before it make of a number. */
  boundOf(first: number): Bound {
    const [word, before] = [this.word(first - 1), this.word(first - 2)];
    if (word === 'than') return before === 'more' ? 'least' : before === 'less' ? 'most' : 'exact';
    return BOUNDS.get(before === 'up' ? 'up to' : word) ?? 'exact';
  }
}
