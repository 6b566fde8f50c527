import { messageOf } from '../shared/errors.ts';
import type { Problem } from '../shared/errors.ts';

const TOKEN =
  /\s*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|true\b|false\b|null\b))/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or ]' | ', or }' | 'end';

const WANTED: Record<Expected, string> = {
  value: 'a value',
  'value or ]': 'a value or ]',
  key: 'a name in double quotes',
  'key or }': 'a name in double quotes or }',
  ':': ':',
  ', or ]': ', or ]',
  ', or }': ', or }',
  end: 'the end of the file',
};

/** Reads tokens until one is out of place. */
class Scanner {
  readonly #text: string;
  readonly #open: ('[' | '{')[] = [];
  #expected: Expected = 'value';
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Where the first fault is and what belongs there; undefined when there is none. */
  fault(): { at: number; wanted: string; expected: Expected } | undefined {
    for (;;) {
      TOKEN.lastIndex = this.#at;
      const found = TOKEN.exec(this.#text);
      const start = this.#at + (/^\s*/.exec(this.#text.slice(this.#at, this.#at + 10_000))?.[0].length ?? 0);
      if (start >= this.#text.length && this.#expected === 'end') return undefined;
      if (!found || !this.#accept(found[1] ?? '', found[2] !== undefined)) {
        return { at: start, wanted: WANTED[this.#expected], expected: this.#expected };
      }
      this.#at = TOKEN.lastIndex;
    }
  }

  #accept(sign: string, isText: boolean): boolean {
    const expected = this.#expected;
    if (sign === '') {
      if (expected === 'key' || expected === 'key or }') return isText && this.#expect(':');
      return (expected === 'value' || expected === 'value or ]') && this.#closeValue();
    }
    if (sign === '{' || sign === '[') {
      if (expected !== 'value' && expected !== 'value or ]') return false;
      this.#open.push(sign);
      return this.#expect(sign === '{' ? 'key or }' : 'value or ]');
    }
    if (sign === '}' || sign === ']') {
      const fits = sign === '}' ? ['key or }', ', or }'] : ['value or ]', ', or ]'];
      if (!fits.includes(expected)) return false;
      this.#open.pop();
      return this.#closeValue();
    }
    if (sign === ':') return expected === ':' && this.#expect('value');
    if (expected !== ', or ]' && expected !== ', or }') return false;
    return this.#expect(expected === ', or }' ? 'key' : 'value');
  }

  #expect(next: Expected): true {
    this.#expected = next;
    return true;
  }

  #closeValue(): true {
    const around = this.#open.at(-1);
    return this.#expect(around === undefined ? 'end' : around === '{' ? ', or }' : ', or ]');
  }
}

function mendFor(text: string, at: number, expected: Expected): string {
  const rest = text.slice(at, at + 2);
  if (rest === '//' || rest === '/*' || rest.startsWith('#')) return 'JSON has no comments; remove this one';
  if (rest.startsWith("'")) return 'write double quotes instead of single ones';
  if (rest === '') return 'the file ends too early; is the end of it missing, or a closing bracket?';
  if (expected === 'key' && rest.startsWith('}')) return 'remove the comma before }';
  if (expected === 'value' && rest.startsWith(']')) return 'remove the comma before ]';
  if (rest.startsWith('"') && (expected === ', or }' || expected === ', or ]')) return 'put a comma before this';
  if (rest.startsWith('"')) return 'a text ends on its own line, and \\ in it is written \\\\';
  if (/^[A-Za-z_]/.test(rest)) return 'put it in double quotes';
  return 'mend this place';
}

/**
 * Parses JSON, as JSON.parse does, and says for what is none the line and column (both from 1) of
 * the first fault, what belongs there, and how to mend it.
 */
export function parseJsonText(text: string): { value: unknown; problem?: never } | { problem: Problem } {
  if (text.trim() === '')
    return { problem: { path: '', message: 'is empty', mend: 'write a campaign such as {"name": …}' } };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    const fault = new Scanner(text).fault();
    if (!fault) return { problem: { path: '', message: `is not JSON: ${messageOf(error)}` } };
    const before = text.slice(0, fault.at).split(/\r\n|\n|\r/);
    const column = (before.at(-1) ?? '').length + 1;
    const found =
      fault.at >= text.length
        ? 'the file ends'
        : `${JSON.stringify(String.fromCodePoint(text.codePointAt(fault.at) ?? 0))} stands`;
    return {
      problem: {
        path: '',
        message: `is not JSON: at line ${before.length}, column ${column}, ${found} where ${fault.wanted} belongs`,
        mend: mendFor(text, fault.at, fault.expected),
      },
    };
  }
}
