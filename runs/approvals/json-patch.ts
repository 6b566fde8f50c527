import { isDeepStrictEqual } from 'node:util';
import { applyPatch, type Operation } from 'rfc6902';
import type { Json, JsonObject } from '../../shared/json.ts';

/** An operation that cannot be carried out, by its place in the patch. */
export class PatchFault extends Error {
  readonly index: number;
  readonly path: string;

  constructor(index: number, path: string, why: string) {
    super(why);
    this.name = 'PatchFault';
    this.index = index;
    this.path = path;
  }
}

/** In characters of JSON: what copies may add up to. Each could double the document. */
const MOST_COPIED = 1_048_576;

/** Names that the library does not follow. */
const UNWALKED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * The document with a JSON Patch (RFC 6902) applied to it; the given one stays as it is.
 * @throws {PatchFault} for an operation that points to nothing, or anywhere but into the document's own fields and entries
 */
export function applyJsonPatch(document: JsonObject, operations: readonly Operation[]): Json {
  const result = structuredClone(document);
  let copied = 0;
  for (const [index, operation] of operations.entries()) {
    const refuse = (path: string, why: string) => new PatchFault(index, path, why);
    const isNew = operation.op === 'add' || operation.op === 'move' || operation.op === 'copy';
    if (operation.op === 'move' || operation.op === 'copy') {
      const source = find(result, operation.from, false);
      if (!source) throw refuse(operation.from, 'there is nothing');
      if (operation.op === 'copy') copied += JSON.stringify(source.value).length;
      if (copied > MOST_COPIED) throw refuse(operation.path, 'the copies become too large');
    }
    const target = find(result, operation.path, isNew);
    if (!target) throw refuse(operation.path, 'there is nothing');
    if (operation.op === 'test') {
      // The library compares long lists in quadratic time.
      if (!isDeepStrictEqual(target.value, operation.value)) throw refuse(operation.path, 'it holds another value');
      continue;
    }
    const [error] = applyPatch(result, [operation]);
    if (error) throw refuse(operation.path, error.message);
  }
  return result;
}

/**
 * What a pointer (RFC 6901) leads to. The library reads `parent[token]`, which also finds what every object, list and text
 * inherits: writing there would change it for the whole process.
 * @param mayBeNew whether the last token may name what is not there yet
 */
function find(document: Json, pointer: string, mayBeNew: boolean): { value: Json | undefined } | null {
  const tokens = pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  let value: Json | undefined = document;
  for (const [depth, token] of tokens.entries()) {
    if (typeof value !== 'object' || value === null || UNWALKED.has(token)) return null;
    const isLast = depth === tokens.length - 1;
    const isThere: boolean = Array.isArray(value)
      ? /^(?:0|[1-9]\d*)$/.test(token) && Number(token) < value.length
      : Object.hasOwn(value, token);
    const isFree = Array.isArray(value) ? token === '-' || token === String(value.length) : true;
    if (!isThere && !(isLast && mayBeNew && isFree)) return null;
    value = isThere ? (value as Record<string, Json>)[token] : undefined;
  }
  return { value };
}

/**
 * A JSON Patch (RFC 6902) that turns one value into the other; empty when they are equal. Its time grows with their size, however
 * long their lists are: entries before and behind the first and last change are left out, and those between are paired in order.
 */
export function differenceOf(before: Json, after: Json, path = ''): Operation[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return differenceOfLists(before, after, path);
  if (!isObject(before) || !isObject(after)) return [{ op: 'replace', path, value: after }];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name): Operation[] => {
    const at = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!Object.hasOwn(after, name)) return [{ op: 'remove', path: at }];
    if (!Object.hasOwn(before, name)) return [{ op: 'add', path: at, value: after[name] }];
    return differenceOf(before[name] as Json, after[name] as Json, at);
  });
}

function differenceOfLists(before: readonly Json[], after: readonly Json[], path: string): Operation[] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && isDeepStrictEqual(before[start], after[start])) start += 1;
  let same = 0;
  while (same < shorter - start && isDeepStrictEqual(before.at(-1 - same), after.at(-1 - same))) same += 1;
  const end = shorter - same;
  const operations: Operation[] = [];
  for (let at = start; at < end; at += 1)
    operations.push(...differenceOf(before[at] as Json, after[at] as Json, `${path}/${at}`));
  for (let left = before.length - shorter; left > 0; left -= 1)
    operations.push({ op: 'remove', path: `${path}/${end}` });
  for (let at = end; at < after.length - same; at += 1)
    operations.push({ op: 'add', path: `${path}/${at}`, value: after[at] });
  return operations;
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
