import { Liquid } from 'liquidjs';
import { isJsonObject, type Json, type JsonObject, jsonPath, ownField, walkJson } from './json.ts';
import { messageOf } from './errors.ts';
import { nearest } from './nearest.ts';
import { readExpression, ReferenceSyntaxError, splitTemplate, type Variable } from './reference-syntax.ts';

/** What references of a step's params may read. */
export interface ReferenceScope {
  /** What the earlier steps of the run gave, by step name. */
  steps: Record<string, JsonObject>;
  run: JsonObject;
  campaign: JsonObject;
  env: Record<string, string>;
}

type ReferenceCode = 'REFERENCE_UNDEFINED' | 'REFERENCE_INVALID';

/**
 * A reference that could not be filled in, before anything was asked of an engine. `REFERENCE_UNDEFINED`: what it reads does
 * not exist. `REFERENCE_INVALID`: it is no expression, or its value cannot be sent. Never worth a retry.
 */
export class ReferenceFailure extends Error {
  readonly code: ReferenceCode;
  readonly retryable = false;
  readonly costMicros = 0;
  readonly worked = 'no';
  readonly definite = true;
  /** JSON path within params. */
  readonly path: string;
  readonly expression: string;

  constructor(what: { code: ReferenceCode; path: string; expression: string; message: string }) {
    super(`${what.path === '' ? 'params' : `params.${what.path}`}: {{ ${what.expression} }} ${what.message}`);
    this.name = 'ReferenceFailure';
    this.code = what.code;
    this.path = what.path;
    this.expression = what.expression;
  }
}

/** One `{{ … }}` of a value, or a text whose braces make no sense (`problem`). */
export interface Reference {
  /** JSON path within the value. */
  path: string;
  expression: string;
  /** What it reads; empty when it has a problem. */
  variables: Variable[];
  problem?: string;
}

/** Engine answers in references stay far below this; characters of JSON that one call may insert. */
const MOST_INSERTED = 16 * 1_024 * 1_024;
/** Units of liquidjs, roughly characters and array elements made by one expression. */
const MEMORY_LIMIT = 20_000_000;

const liquid = new Liquid({
  strictVariables: true,
  strictFilters: true,
  ownPropertyOnly: true,
  // `default` may stand in for what is not there.
  lenientIf: true,
  memoryLimit: MEMORY_LIMIT,
  timezoneOffset: 0,
  // No file is ever read: expressions have no tags, and this leaves nothing to find.
  templates: {},
});
// Those ending in _exp take an expression as a text, which could come out of an engine's answer; `sample` is random,
// and the same step must ask the same again after a restart.
for (const name of Object.keys(liquid.filters))
  if (name.endsWith('_exp') || name === 'sample') liquid.unregisterFilter(name);

function checkedExpression(expression: string): Variable[] {
  const { variables, filters } = readExpression(expression);
  for (const filter of filters)
    if (!Object.hasOwn(liquid.filters, filter)) {
      const near = nearest(filter, Object.keys(liquid.filters));
      throw new ReferenceSyntaxError(
        `uses the filter ${JSON.stringify(filter)}, which does not exist${near ? `; did you mean ${near}?` : ''}`,
      );
    }
  return variables;
}

function referencesOf(text: string, path: string): Reference[] {
  const found: Reference[] = [];
  let expression = text.slice(text.indexOf('{{') + 2).trim();
  try {
    for (const part of splitTemplate(text)) {
      if ('text' in part) continue;
      expression = part.expression;
      found.push({ path, expression, variables: checkedExpression(expression) });
    }
  } catch (error) {
    if (!(error instanceof ReferenceSyntaxError)) throw error;
    found.push({ path, expression, variables: [], problem: error.message });
  }
  return found;
}

/** Every `{{ … }}` in the texts of a value, with what it reads or what is wrong with it. Keys of objects hold none. */
export function findReferences(value: unknown): Reference[] {
  const found: Reference[] = [];
  walkJson(value, (place) => {
    if (typeof place.value === 'string' && place.value.includes('{{'))
      found.push(...referencesOf(place.value, jsonPath(place.keys())));
  });
  return found;
}

/** Says how far a reference led, for whoever has to mend it. */
function whyUndefined(variables: readonly Variable[], scope: ReferenceScope): string {
  for (const { root, keys } of variables) {
    let at: unknown = scope[root];
    let name: string = root;
    for (const key of keys) {
      const next = Array.isArray(at) ? (at[Number(key)] as unknown) : ownField(at, String(key));
      if (next === undefined && at === scope.steps)
        return `is undefined: step ${JSON.stringify(key)} gave no result in this run; it failed, was skipped or never began`;
      if (next === undefined && !(['size', 'first', 'last'].includes(String(key)) && typeof at === 'object')) {
        const there = isJsonObject(at)
          ? Object.keys(at)
              .slice(0, 12)
              .map((one) => JSON.stringify(one))
          : [];
        return `is undefined: ${name} has no ${JSON.stringify(key)}${there.length > 0 ? `; it has ${there.join(', ')}` : ''}`;
      }
      at = next;
      name = name === 'steps' ? `step ${JSON.stringify(key)}` : `${name}${jsonPath(['x', key]).slice(1)}`;
    }
  }
  return 'is undefined';
}

/** Resolves the texts of one call. */
class Resolver {
  readonly #scope: ReferenceScope;
  #inserted = 0;

  constructor(scope: ReferenceScope) {
    this.#scope = scope;
  }

  /** The value of an expression as JSON, a copy of its own. */
  #evaluate(expression: string, path: string): { value: Json; json: string } {
    const fail = (message: string): never => {
      throw new ReferenceFailure({ code: 'REFERENCE_INVALID', path, expression, message });
    };
    const failUndefined = (message: string): never => {
      throw new ReferenceFailure({ code: 'REFERENCE_UNDEFINED', path, expression, message });
    };
    let variables: Variable[] = [];
    let value: unknown;
    try {
      variables = checkedExpression(expression);
      value = liquid.evalValueSync(expression, this.#scope);
    } catch (error) {
      if (error instanceof Error && error.name === 'UndefinedVariableError')
        return failUndefined(whyUndefined(variables, this.#scope));
      return fail(messageOf(error));
    }
    if (value === undefined) return failUndefined('is undefined');
    if (/^(nil|null)\b/.test(expression) && typeof value === 'object') value = null;
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined || (typeof value === 'number' && !Number.isFinite(value)))
      return fail('gives a value that JSON does not have');
    this.#inserted += json.length;
    if (this.#inserted > MOST_INSERTED) return fail('makes the params larger than 16 MiB');
    return { value: JSON.parse(json) as Json, json };
  }

  text(text: string, path: string): Json {
    if (!text.includes('{{')) return text;
    let pieces;
    try {
      pieces = splitTemplate(text);
    } catch (error) {
      throw new ReferenceFailure({
        code: 'REFERENCE_INVALID',
        path,
        expression: text.slice(0, 100),
        message: messageOf(error),
      });
    }
    const [only] = pieces;
    if (pieces.length === 1 && only && 'expression' in only) return this.#evaluate(only.expression, path).value;
    return pieces
      .map((part) => {
        if ('text' in part) return part.text;
        const { value, json } = this.#evaluate(part.expression, path);
        return typeof value === 'string' ? value : value === null ? '' : json;
      })
      .join('');
  }

  value(value: Json, keys: readonly (string | number)[]): Json {
    if (typeof value === 'string') return this.text(value, jsonPath(keys));
    if (Array.isArray(value)) return value.map((item, index) => this.value(item, [...keys, index]));
    if (typeof value === 'object' && value !== null)
      // fromEntries defines fields, so that a field called __proto__ is a field like any other.
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.value(item, [...keys, key])]));
    return value;
  }
}

/**
 * Fills in the `{{ … }}` of a step's params. A text that is one expression and nothing else becomes the value itself, number,
 * list or object; inside a longer text values become text, objects as JSON, null as nothing. What is inserted is data: it is
 * never looked through for further references. Params must have passed the campaign schema (bounded depth).
 * @example resolveReferences({ run: '{{ steps.prospecting.runId }}' }, scope)
 * @throws {ReferenceFailure} naming the path in params and the expression
 */
export function resolveReferences(params: JsonObject, scope: ReferenceScope): JsonObject {
  return new Resolver(scope).value(params, []) as JsonObject;
}
