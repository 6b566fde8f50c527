import type { Records } from '../records.ts';
import type { RunEventRow, RunRow } from '../tables.ts';

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

/** Number of a run's last event. While a run is running its own `event_seq` may be behind. */
export async function lastEventOf(records: Records, run: RunRow): Promise<number> {
  if (run.status !== 'running') return run.event_seq;
  const [last] = await records.select('run_events', {
    where: [{ column: 'run_id', op: 'eq', value: run.id }],
    columns: ['seq'],
    order: [{ column: 'seq', descending: true }],
    limit: 1,
  });
  return Math.max(run.event_seq, last?.seq ?? 0);
}
