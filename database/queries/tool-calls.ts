import type { Records } from '../records.ts';
import type { ToolCallRow } from '../tables-moves.ts';
import type { Page } from './page.ts';

export interface ToolCallListing {
  runId: string;
  /** Id of the last call of the page before. */
  after?: string | undefined;
  limit: number;
}

/**
 * Tool calls of a run, in the order in which they were made. Their ids follow from what they are and say nothing of time; there are few of
 * them in a run, so that all ids are ordered and the rows of one page read.
 */
export async function listToolCalls(
  records: Records,
  { runId, after, limit }: ToolCallListing,
): Promise<Page<ToolCallRow>> {
  const ids = await records.select('tool_calls', {
    where: [{ column: 'run_id', op: 'eq', value: runId }],
    columns: ['id', 'called_at'],
    order: [{ column: 'called_at' }, { column: 'id' }],
  });
  const from = after === undefined ? 0 : ids.findIndex(({ id }) => id === after) + 1;
  const shown = ids.slice(from, from + limit).map(({ id }) => id);
  if (shown.length === 0) return { rows: [], next: null };
  const rows = await records.select('tool_calls', {
    where: [{ column: 'id', op: 'in', value: shown }],
    order: [{ column: 'called_at' }, { column: 'id' }],
  });
  return { rows, next: from + limit < ids.length ? (shown.at(-1) ?? null) : null };
}
