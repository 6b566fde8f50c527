import { jsonpath, JSONPathEnvironment, JSONPathError, JSONPathQuery } from 'json-p3';
import type { Json } from '../../shared/json.ts';

/** Nodes that a path may find. */
const MOST_NODES = 10_000;
/** How deep documents may be nested. */
const DEEPEST = 100;

const { FilterSelector, IndexSelector, NameSelector } = jsonpath.selectors;

const environment = new JSONPathEnvironment({ maxRecursionDepth: DEEPEST });
// Regular expressions of whoever writes a plan, on texts of whoever answers, could keep the process busy for ever.
for (const name of ['match', 'search']) environment.functionRegister.delete(name);

/**
 * What is wrong with a JSONPath, null when nothing is. Beyond RFC 9535, a path has to be such that the time that it takes grows
 * with the size of the document and no faster: no lists of selectors, one `..` at most, and filters that look at single fields.
 */
export function jsonPathProblem(path: string): string | null {
  let query: JSONPathQuery;
  try {
    query = environment.compile(path);
  } catch (error) {
    if (error instanceof JSONPathError) return `is no JSONPath: ${error.message.split(" ('")[0] ?? ''}`;
    throw error;
  }
  const selectors = query.segments.flatMap((segment) => segment.selectors);
  if (selectors.length > query.segments.length) return 'has a list of selectors where one may stand';
  // In quotes, they are part of a name or a text.
  const signs = path.replaceAll(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/gs, '');
  if (signs.split('..').length > 2) return 'has more than one ..';
  for (const selector of selectors)
    if (selector instanceof FilterSelector && !queriesIn(selector.expression).every(looksAtOneField))
      return 'has a filter that looks at more than single fields';
  return null;
}

/** The paths within a filter, those within their own filters left out. */
function queriesIn(expression: unknown): JSONPathQuery[] {
  if (expression instanceof JSONPathQuery) return [expression];
  if (typeof expression !== 'object' || expression === null) return [];
  return Object.values(expression).flatMap(queriesIn);
}

const looksAtOneField = (query: JSONPathQuery): boolean =>
  query.singularQuery() &&
  query.segments.every(({ selectors }) =>
    selectors.every((selector) => selector instanceof NameSelector || selector instanceof IndexSelector),
  );

/**
 * What a path finds in a document.
 * @throws {RangeError} in words for people: no such JSONPath, too many values, or a document nested too deep
 */
export function valuesAt(path: string, document: Json): Json[] {
  const problem = jsonPathProblem(path);
  if (problem !== null) throw new RangeError(`${path} ${problem}`);
  const found: Json[] = [];
  try {
    for (const { value } of environment.lazyQuery(path, document)) {
      if (found.length === MOST_NODES) throw new RangeError(`${path} finds more than ${MOST_NODES} values`);
      found.push(value as Json);
    }
  } catch (error) {
    if (error instanceof JSONPathError)
      throw new RangeError(`${path} cannot be followed: the document is nested too deep`, { cause: error });
    throw error;
  }
  return found;
}
