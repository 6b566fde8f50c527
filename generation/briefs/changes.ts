import { isDeepStrictEqual } from 'node:util';
import type { PriorWork } from '../agents/agent.ts';

type Change = PriorWork['changes'][number];

/** Characters of a value as JSON; the brief stands in full beside the changes. */
const LONGEST = 4_000;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lists whose entries have ids are compared entry by entry, so that one new fact does not repeat all others. */
function byId(value: unknown): Record<string, unknown> | null {
  if (!Array.isArray(value) || !value.every((entry) => isObject(entry) && typeof entry['id'] === 'string')) return null;
  return Object.fromEntries(value.map((entry: { id: string }) => [entry.id, entry]));
}

function shortened(value: unknown): unknown {
  const { length } = JSON.stringify(value);
  return length > LONGEST ? `(${length} characters, not repeated here)` : value;
}

/** Which fields of a brief are not what they were: groups field by field (`constraints.maxLength`), facts by id (`facts[price]`). */
export function changesBetween(before: object, after: object, name = (field: string) => field): Change[] {
  const [was, is] = [before, after] as Record<string, unknown>[];
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields].toSorted().flatMap((field): Change[] => {
    const [one, other] = [was?.[field] ?? null, is?.[field] ?? null];
    if (isDeepStrictEqual(one, other)) return [];
    const [ones, others] = [byId(one), byId(other)];
    if (ones && others && name('') === '') return changesBetween(ones, others, (id) => `${field}[${id}]`);
    if (isObject(one) && isObject(other) && name('') === '')
      return changesBetween(one, other, (inner) => `${field}.${inner}`);
    return [{ field: name(field), before: shortened(one), after: shortened(other) }];
  });
}
