import type { Records } from '../records.ts';
import type { RunEventRow } from '../tables.ts';

/** The stored events of a run with a number above `afterSeq`, in order, at most `limit`. */
export async function eventsAfter(
  records: Records,
  runId: string,
  afterSeq: number,
  limit: number,
): Promise<RunEventRow[]> {
  return records.select('run_events', {
    where: [
      { column: 'run_id', op: 'eq', value: runId },
      { column: 'seq', op: 'gt', value: afterSeq },
    ],
    order: [{ column: 'seq' }],
    limit,
  });
}
