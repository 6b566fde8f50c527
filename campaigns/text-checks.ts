import { isJsonObject, jsonPath, ownField, walkJson } from '../shared/json.ts';
import { DEEPEST_FREE_FORM, LARGEST_FREE_FORM } from './defaults.ts';
import type { ProblemList } from './problem-list.ts';

/** What jsonb cannot hold. */
function unstorable(text: string): string | undefined {
  if (text.includes('\u0000')) return 'contains the character NUL (\\u0000), which the database cannot hold';
  return text.isWellFormed()
    ? undefined
    : 'contains half a surrogate pair (\\ud800 to \\udfff alone), which is no text';
}

/** Looks at every text and key, wherever it stands. */
export function checkTexts(input: unknown, problems: ProblemList): void {
  const mend = 'remove the character';
  walkJson(input, (place) => {
    if (typeof place.key === 'string') {
      const problem = unstorable(place.key);
      if (problem !== undefined) problems.add(jsonPath(place.keys()), `has a name that ${problem}`, mend);
    }
    if (typeof place.value !== 'string') return;
    const problem = unstorable(place.value);
    if (problem !== undefined) problems.add(jsonPath(place.keys()), problem, mend);
  });
}

/**
 * Looks at an object that is passed on as it is: depth, size, and whether JSON can say it.
 * @returns whether it may be looked at further
 */
export function checkFreeForm(value: unknown, keys: readonly PropertyKey[], problems: ProblemList): boolean {
  if (!isJsonObject(value)) return false;
  const path = jsonPath(keys);
  let fits = true;
  walkJson(value, (place) => {
    if (place.depth >= DEEPEST_FREE_FORM && typeof place.value === 'object' && place.value !== null) {
      if (fits) problems.add(path, `is nested deeper than ${DEEPEST_FREE_FORM} levels`, 'make it flatter');
      fits = false;
      return false;
    }
    const isOdd = typeof place.value === 'number' ? !Number.isFinite(place.value) : !JSON_TYPES.has(typeof place.value);
    if (isOdd) {
      problems.add(
        jsonPath([...keys, ...place.keys()]),
        `${String(place.value)} is nothing that JSON can say`,
        'write a finite number',
      );
      fits = false;
    }
    return undefined;
  });
  if (!fits) return false;
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes <= LARGEST_FREE_FORM) return true;
  problems.add(
    path,
    `is ${Math.ceil(bytes / 1_024)} KiB of JSON; ${LARGEST_FREE_FORM / 1_024} KiB at most`,
    'leave out what the engine does not need',
  );
  return false;
}

const JSON_TYPES: ReadonlySet<string> = new Set(['string', 'boolean', 'object']);

/** Metadata is free but bounded. */
export function checkMetadata(input: unknown, problems: ProblemList): void {
  checkFreeForm(ownField(input, 'metadata'), ['metadata'], problems);
}
