import type { Column, Filter, Query, Row, TableName } from './records.ts';

/** Ids of 36 characters a request: an address of about 8,000 characters passes every proxy on the way. */
const LONGEST_LIST = 150;

/** Cuts the longest `in` list over the limit, because conditions stand in the address of a request and that is bounded. */
export function splitLongLists<T extends TableName>(where: readonly Filter<T>[]): (readonly Filter<T>[])[] {
  const at = where.findIndex((filter) => filter.op === 'in' && filter.value.length > LONGEST_LIST);
  const long = where[at];
  if (long?.op !== 'in') return [where];
  // A value given twice would find its row in two requests.
  const values = [...new Set(long.value)];
  const parts: (readonly Filter<T>[])[] = [];
  for (let start = 0; start < values.length; start += LONGEST_LIST)
    parts.push(...splitLongLists(where.with(at, { ...long, value: values.slice(start, start + LONGEST_LIST) })));
  return parts;
}

/** Puts the answers to split requests together in the order asked for. Text is compared by code unit, nulls as Postgres does. */
export function mergeParts<T extends TableName, C extends Column<T>>(
  parts: Pick<Row<T>, C>[][],
  query: Query<T, C>,
): Pick<Row<T>, C>[] {
  const [only] = parts;
  if (parts.length <= 1) return only ?? [];
  const rows = parts.flat();
  const order = query.order ?? [];
  if (order.length > 0)
    rows.sort((a, b) => {
      for (const { column, descending } of order) {
        const difference = compare(a[column], b[column]);
        if (difference !== 0) return descending ? -difference : difference;
      }
      return 0;
    });
  return query.limit === undefined ? rows : rows.slice(0, query.limit);
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return (a as string | number) < (b as string | number) ? -1 : 1;
}
