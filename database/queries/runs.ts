import type { Filter, Records } from '../records.ts';
import type { DecisionRow, RunRow, RunStatus, StepRow } from '../tables.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

export interface RunListing {
  campaignId?: string | undefined;
  status?: RunStatus | undefined;
  /** Id of the last run of the page before. */
  after?: string | undefined;
  limit: number;
}

export async function findRun(records: Records, id: string): Promise<RunRow | undefined> {
  const [run] = await records.select('campaign_runs', { where: [{ column: 'id', op: 'eq', value: id }] });
  return run;
}

/** The campaigns of those runs that are queued or running, by run. */
export async function campaignsOfActive(records: Records, runIds: readonly string[]): Promise<Map<string, string>> {
  if (runIds.length === 0) return new Map();
  const rows = await records.select('campaign_runs', {
    where: [
      { column: 'id', op: 'in', value: runIds },
      { column: 'status', op: 'in', value: ['queued', 'running'] },
    ],
    columns: ['id', 'campaign_id'],
    order: [{ column: 'id' }],
  });
  return new Map(rows.map((row) => [row.id, row.campaign_id]));
}

export async function listRuns(records: Records, listing: RunListing): Promise<Page<RunRow>> {
  const where: Filter<'campaign_runs'>[] = [];
  if (listing.campaignId) where.push({ column: 'campaign_id', op: 'eq', value: listing.campaignId });
  if (listing.status) where.push({ column: 'status', op: 'eq', value: listing.status });
  if (listing.after) where.push({ column: 'id', op: 'lt', value: listing.after });
  const rows = await records.select('campaign_runs', {
    where,
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(listing.limit),
  });
  return pageOf(rows, listing.limit, (row) => row.id);
}

/** The steps that a run has begun or carried over, in the order of its definition. */
export async function stepsOfRun(records: Records, runId: string): Promise<StepRow[]> {
  return records.select('run_steps', {
    where: [{ column: 'run_id', op: 'eq', value: runId }],
    order: [{ column: 'position' }],
  });
}

/** What was decided about a run without, or by, a person; oldest first. */
export async function decisionsOfRun(records: Records, runId: string): Promise<DecisionRow[]> {
  return records.select('agent_decisions', {
    where: [{ column: 'run_id', op: 'eq', value: runId }],
    order: [{ column: 'decided_at' }, { column: 'id' }],
  });
}

export async function countQueuedRuns(records: Records): Promise<number> {
  return records.count('campaign_runs', [{ column: 'status', op: 'eq', value: 'queued' }]);
}
