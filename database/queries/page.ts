/** One page of a list, newest first, and where the next one begins (null at the end). */
export interface Page<R> {
  rows: R[];
  next: string | null;
}

/** How many rows to ask for so that {@link pageOf} can tell whether more follow. */
export function rowsToRead(limit: number): number {
  return limit + 1;
}

/** Cuts what {@link rowsToRead} asked for down to the page; `position` is what the next page continues after. */
export function pageOf<R>(rows: readonly R[], limit: number, position: (row: R) => string): Page<R> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, next: rows.length > limit && last !== undefined ? position(last) : null };
}
