import type { Records } from '../../database/records.ts';
import { clipped, type Evidence } from '../statement.ts';

/** Those that are told to whoever proposes anew. */
const MOST = 3;
const LONGEST = 2_000;

/**
 * Why people turned down what was proposed for a plan before, newest first, as evidence. Without it the same question would get the same answer.
 */
export async function rejections(
  planId: string,
  kind: 'arc' | 'moves',
  { records }: { records: Records },
): Promise<Evidence[]> {
  const rows = await records.select('approvals', {
    columns: ['id', 'reason', 'decided_at'],
    where: [
      { column: 'plan_id', op: 'eq', value: planId },
      { column: 'kind', op: 'eq', value: kind },
      { column: 'state', op: 'eq', value: 'rejected' },
    ],
    order: [{ column: 'decided_at', descending: true }],
    limit: MOST,
  });
  return rows.map(({ id, reason }) => ({
    id: `rejection-${id}`,
    text: clipped(`People turned down an earlier proposal${reason === null ? '.' : `: ${reason}`}`, LONGEST),
    source: { kind: 'plan', location: `approvals/${id}` },
  }));
}
