import { nearest } from './nearest.ts';

/** Text of a template in pieces: as written, or an expression between `{{` and `}}`. */
export type Piece = { text: string } | { expression: string };

/** A place that an expression reads: `steps.prospecting.runId` is root `steps` and the keys `prospecting`, `runId`. */
export interface Variable {
  root: Root;
  keys: (string | number)[];
}

export const ROOTS = ['steps', 'run', 'campaign', 'env'] as const;
export type Root = (typeof ROOTS)[number];

/** A text that is no template; the message says what is wrong in plain words. */
export class ReferenceSyntaxError extends Error {}

/** How the text is written that is to be sent with its braces. */
export function literally(text: string): string {
  const quote = text.includes("'") ? '"' : "'";
  return `{{ ${quote}${text}${quote} }}`;
}

/** Where the `}}` stands that closes an expression, or -1. Quotes count: in `{{ "}}" }}` the inner braces are text. */
function closingBraces(text: string, from: number): number {
  let quote: string | undefined;
  for (let at = from; at < text.length; at += 1) {
    const sign = text[at];
    if (quote !== undefined) {
      if (sign === '\\') at += 1;
      else if (sign === quote) quote = undefined;
    } else if (sign === "'" || sign === '"') quote = sign;
    else if (sign === '}' && text[at + 1] === '}') return at;
  }
  return -1;
}

/**
 * Cuts a text at its `{{ … }}`.
 * @throws {ReferenceSyntaxError} for a `{{` without its `}}`
 */
export function splitTemplate(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (let open = text.indexOf('{{'); open !== -1; open = text.indexOf('{{', at)) {
    if (open > at) pieces.push({ text: text.slice(at, open) });
    const close = closingBraces(text, open + 2);
    if (close === -1)
      throw new ReferenceSyntaxError('has {{ without a closing }}, or a quote in between that is not closed');
    pieces.push({ expression: text.slice(open + 2, close).trim() });
    at = close + 2;
  }
  if (at < text.length) pieces.push({ text: text.slice(at) });
  return pieces;
}

const WORD = /[\p{L}\p{N}_][\p{L}\p{N}_-]*/uy;
const STRING = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/sy;
const NUMBER = /-?\d+(?:\.\d+)?(?![\p{L}\p{N}_.-])/uy;
const LITERAL_WORDS: ReadonlySet<string> = new Set(['true', 'false', 'nil', 'null']);

/** Reads one expression, left to right. */
class Reader {
  readonly variables: Variable[] = [];
  readonly filters: string[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #takeSign(sign: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(sign, this.#at)) return false;
    this.#at += sign.length;
    this.#skipSpace();
    return true;
  }

  #fail(wanted: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 30).trim();
    throw new ReferenceSyntaxError(
      rest === '' ? `ends where ${wanted} belongs` : `has ${JSON.stringify(rest)} where ${wanted} belongs`,
    );
  }

  #value(): void {
    this.#skipSpace();
    if (this.#take(STRING) !== undefined || this.#take(NUMBER) !== undefined) return;
    const word = this.#take(WORD);
    if (word === undefined) this.#fail('a value such as steps.prospecting.runId');
    if (LITERAL_WORDS.has(word)) return;
    const root = ROOTS.find((name) => name === word);
    if (!root) {
      const near = nearest(word, ROOTS);
      throw new ReferenceSyntaxError(
        `refers to ${JSON.stringify(word)}, which is nothing known here; ` +
          (near === undefined ? `a reference begins with ${ROOTS.join(', ')}` : `did you mean ${near}?`),
      );
    }
    this.variables.push({ root, keys: this.#keys() });
  }

  #keys(): (string | number)[] {
    const keys: (string | number)[] = [];
    for (;;) {
      if (this.#text[this.#at] === '.') {
        this.#at += 1;
        const word = this.#take(WORD);
        if (word === undefined) this.#fail('a name');
        keys.push(word);
      } else if (this.#text[this.#at] === '[') {
        this.#at += 1;
        this.#skipSpace();
        const quoted = this.#take(STRING);
        const index = quoted === undefined ? this.#take(NUMBER) : undefined;
        if (quoted?.includes('\\')) throw new ReferenceSyntaxError('has a backslash in a name');
        if (quoted === undefined && index === undefined) this.#fail('a quoted name or an index');
        keys.push(quoted === undefined ? Number(index) : quoted.slice(1, -1));
        if (!this.#takeSign(']')) this.#fail(']');
      } else return keys;
    }
  }

  #filter(): void {
    const name = this.#take(WORD);
    if (name === undefined) this.#fail('the name of a filter');
    this.filters.push(name);
    if (!this.#takeSign(':')) return;
    do this.#value();
    while (this.#takeSign(','));
  }

  read(): this {
    this.#value();
    while (this.#takeSign('|')) this.#filter();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('| or }}');
    return this;
  }
}

/**
 * Reads what stands between `{{` and `}}`: a value (a reference, a quoted text, a number), then filters with their values.
 * This is a part of Liquid; tags, operators and ranges are left out.
 * @throws {ReferenceSyntaxError} saying what is wrong and where
 */
export function readExpression(expression: string): { variables: Variable[]; filters: string[] } {
  if (expression === '') throw new ReferenceSyntaxError('is empty between {{ and }}');
  const { variables, filters } = new Reader(expression).read();
  return { variables, filters };
}
