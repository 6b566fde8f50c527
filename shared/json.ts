/** Anything that JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

const PLAIN_KEY = /^[A-Za-z_$][\w$-]*$/;
const LONGEST_PATH = 200;

/** One more piece of a JSON path: `.timeout`, `[2]`, `["odd key"]`. */
function piece(key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`;
  const text = String(key);
  return PLAIN_KEY.test(text) ? `.${text}` : `[${JSON.stringify(text)}]`;
}

/** Keys and indexes as one text such as `steps[2].retry.attempts`; a very long path is cut. */
export function jsonPath(keys: readonly PropertyKey[]): string {
  let text = '';
  for (const key of keys) {
    text += piece(key);
    if (text.length > LONGEST_PATH) return `${text.slice(0, LONGEST_PATH).replace(/^\./, '').toWellFormed()}…`;
  }
  return text.replace(/^\./, '');
}

/** Whether a value is an object as JSON means it, not an array or null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of an object's own field, undefined when it has none or is no object. */
export function ownField(value: unknown, key: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** The value at a path of keys and indexes, undefined when the path leads nowhere. */
export function valueAt(root: unknown, keys: readonly PropertyKey[]): unknown {
  let at = root;
  for (const key of keys) at = Array.isArray(at) ? (at[Number(key)] as unknown) : ownField(at, String(key));
  return at;
}

/** One value met on a walk. */
export interface Place {
  value: unknown;
  /** The key or index of the value in what holds it; undefined for the value that the walk began with. */
  key: string | number | undefined;
  /** How many arrays and objects stand around the value. */
  depth: number;
  /** Keys and indexes from where the walk began; made only when asked for. */
  keys(): (string | number)[];
}

interface Node {
  value: unknown;
  key: string | number | undefined;
  depth: number;
  parent: Node | undefined;
}

function keysOf(node: Node): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at: Node | undefined = node; at?.key !== undefined; at = at.parent) keys.push(at.key);
  return keys.toReversed();
}

/**
 * Calls `visit` for a value and everything in it, in the order of the document. Does not recurse, so that no depth exhausts
 * the stack. What `visit` answers with `false` is not entered.
 */
export function walkJson(value: unknown, visit: (place: Place) => void | false): void {
  const pending: Node[] = [{ value, key: undefined, depth: 0, parent: undefined }];
  for (let node = pending.pop(); node; node = pending.pop()) {
    const here = node;
    if (visit({ value: here.value, key: here.key, depth: here.depth, keys: () => keysOf(here) }) === false) continue;
    if (typeof here.value !== 'object' || here.value === null) continue;
    const depth = here.depth + 1;
    const children: Node[] = Array.isArray(here.value)
      ? here.value.map((child: unknown, index) => ({ value: child, key: index, depth, parent: here }))
      : Object.entries(here.value).map(([key, child]) => ({ value: child as unknown, key, depth, parent: here }));
    for (const child of children.toReversed()) pending.push(child);
  }
}
