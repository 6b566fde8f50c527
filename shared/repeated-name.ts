/** A name that an object has twice. Line and column, of its second place, count from 1. */
export interface RepeatedName {
  name: string;
  line: number;
  column: number;
}

function endOfText(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

/**
 * Finds the first name that an object of a JSON text has twice; null when there is none. JSON.parse takes the last of them without
 * a word. Neither recursive nor slower than linear.
 * @param json what JSON.parse has accepted
 */
export function findRepeatedName(json: string): RepeatedName | null {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length;) {
    const character = json[at];
    if (character !== '"') {
      if (character === '{' || character === '[') open.push(new Set());
      else if (character === '}' || character === ']') open.pop();
      at += 1;
      continue;
    }
    const start = at;
    at = endOfText(json, start);
    const text = json.slice(start, at);
    while (/\s/.test(json[at] ?? '')) at += 1;
    if (json[at] !== ':') continue;
    const name = JSON.parse(text) as string;
    const names = open.at(-1);
    if (names?.has(name)) {
      const before = json.slice(0, start).split('\n');
      return { name, line: before.length, column: (before.at(-1) ?? '').length + 1 };
    }
    names?.add(name);
  }
  return null;
}
