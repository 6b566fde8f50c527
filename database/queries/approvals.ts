import type { Filter, Records } from '../records.ts';
import type { ApprovalRow, ApprovalState } from '../tables-moves.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

export interface ApprovalListing {
  state?: ApprovalState | undefined;
  kind?: string | undefined;
  runId?: string | undefined;
  campaignId?: string | undefined;
  planId?: string | undefined;
  /** Id of the last approval of the page before. */
  after?: string | undefined;
  limit: number;
}

/** Approvals, newest first. */
export async function listApprovals(records: Records, listing: ApprovalListing): Promise<Page<ApprovalRow>> {
  const where: Filter<'approvals'>[] = [];
  if (listing.state) where.push({ column: 'state', op: 'eq', value: listing.state });
  if (listing.kind) where.push({ column: 'kind', op: 'eq', value: listing.kind });
  if (listing.runId) where.push({ column: 'run_id', op: 'eq', value: listing.runId });
  if (listing.campaignId) where.push({ column: 'campaign_id', op: 'eq', value: listing.campaignId });
  if (listing.planId) where.push({ column: 'plan_id', op: 'eq', value: listing.planId });
  if (listing.after) where.push({ column: 'id', op: 'lt', value: listing.after });
  const rows = await records.select('approvals', {
    where,
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(listing.limit),
  });
  return pageOf(rows, listing.limit, (row) => row.id);
}
