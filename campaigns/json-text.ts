import { messageOf } from '../shared/errors.ts';
import type { Problem } from '../shared/errors.ts';
import { findRepeatedName, type RepeatedName } from '../shared/repeated-name.ts';

const SPACE = /[ \t\n\r]*/y;
const SIGN = /[{}[\],:]/y;
const ATOM = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Where a pattern that is found at `from` ends; undefined when it is not found there. */
function endOf(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/** Where the text in quotes ends that begins at `from`. A loop, because a pattern would need a stack as deep as the text is long. */
function endOfText(text: string, from: number): number | undefined {
  if (text[from] !== '"') return undefined;
  for (let at: number | undefined = from + 1; at !== undefined && at < text.length;) {
    if (text[at] === '"') return at + 1;
    if (text.charCodeAt(at) < 0x20) return undefined;
    at = text[at] === '\\' ? endOf(ESCAPE, text, at) : at + 1;
  }
  return undefined;
}

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
    const text = this.#text;
    for (;;) {
      const start = endOf(SPACE, text, this.#at) ?? this.#at;
      if (start >= text.length && this.#expected === 'end') return undefined;
      const signEnd = endOf(SIGN, text, start);
      const textEnd = endOfText(text, start);
      const end = signEnd ?? textEnd ?? endOf(ATOM, text, start);
      const sign = signEnd === undefined ? '' : (text[start] ?? '');
      if (end === undefined || !this.#accept(sign, textEnd !== undefined))
        return { at: start, wanted: WANTED[this.#expected], expected: this.#expected };
      this.#at = end;
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

function problemOfName({ name, line, column }: RepeatedName): Problem {
  return {
    path: '',
    message: `has the name ${JSON.stringify(name.slice(0, 60).toWellFormed())} twice in one object, the second time at line ${line}, column ${column}`,
    mend: 'remove one of the two',
  };
}

/**
 * Parses JSON, as JSON.parse does except that no object may have a name twice, and says for what is none the line and column (both from 1) of
 * the first fault, what belongs there, and how to mend it.
 */
export function parseJsonText(text: string): { value: unknown; problem?: never } | { problem: Problem } {
  if (text.trim() === '')
    return { problem: { path: '', message: 'is empty', mend: 'write a campaign such as {"name": …}' } };
  try {
    const value: unknown = JSON.parse(text);
    const repeated = findRepeatedName(text);
    return repeated ? { problem: problemOfName(repeated) } : { value };
  } catch (error) {
    const fault = new Scanner(text).fault();
    if (!fault) return { problem: { path: '', message: `is not JSON: ${messageOf(error)}`, mend: 'write JSON' } };
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
