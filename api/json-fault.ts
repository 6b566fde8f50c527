/** Where a text stops being JSON. Line and column count from 1, the offset from 0. */
export interface JsonFault {
  offset: number;
  line: number;
  column: number;
  message: string;
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma or end';

const WANTED: Record<Expected, string> = {
  value: 'a value',
  'value or ]': 'a value or ]',
  key: 'a name in double quotes',
  'key or }': 'a name in double quotes or }',
  colon: 'a colon',
  'comma or end': 'a comma or the closing bracket',
};

/**
 * Finds the first place at which a text breaks the JSON grammar (RFC 8259); null when it does not. The engine's own
 * messages name no position for most faults. Neither recursive nor slower than linear.
 */
export function findJsonFault(text: string): JsonFault | null {
  const open: ('{' | '[')[] = [];
  let at = 0;
  let expected: Expected = 'value';
  const matches = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  for (;;) {
    matches(SPACE);
    const character = text[at];
    if (expected === 'comma or end' && open.length === 0)
      return character === undefined ? null : faultAt(text, at, 'the end');
    const closing = open.at(-1) === '{' ? '}' : ']';
    const mayClose = expected === 'comma or end' || expected === 'key or }' || expected === 'value or ]';
    if (mayClose && open.length > 0 && character === closing) {
      open.pop();
      at += 1;
      expected = 'comma or end';
      continue;
    }
    switch (expected) {
      case 'key':
      case 'key or }':
        if (!matches(STRING)) return faultAt(text, at, WANTED[expected]);
        expected = 'colon';
        break;
      case 'colon':
      case 'comma or end':
        if (character !== (expected === 'colon' ? ':' : ',')) return faultAt(text, at, WANTED[expected]);
        at += 1;
        expected = expected === 'comma or end' && open.at(-1) === '{' ? 'key' : 'value';
        break;
      case 'value':
      case 'value or ]':
        if (character === '{' || character === '[') {
          open.push(character);
          at += 1;
          expected = character === '{' ? 'key or }' : 'value or ]';
        } else if (matches(STRING) || matches(NUMBER) || matches(WORD)) expected = 'comma or end';
        else return faultAt(text, at, WANTED[expected]);
        break;
    }
  }
}

function faultAt(text: string, offset: number, wanted: string): JsonFault {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const found = text[offset];
  const unfinished = found === '"' ? ' (a text that is not closed, or holds a raw line break or a bad escape)' : '';
  return {
    offset,
    line,
    column: offset - before.lastIndexOf('\n'),
    message: `expected ${wanted}, found ${found === undefined ? 'the end' : `${JSON.stringify(found)}${unfinished}`}`,
  };
}
