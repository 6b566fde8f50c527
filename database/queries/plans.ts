import type { Filter, Records } from '../records.ts';
import type { ArcVersionRow, PivotRow, PlanRow, PlanState } from '../tables-moves.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

export async function findPlan(records: Records, id: string): Promise<PlanRow | undefined> {
  const [plan] = await records.select('plans', { where: [{ column: 'id', op: 'eq', value: id }] });
  return plan;
}

/** One approved arc of a plan; undefined when there is none of this version. */
export async function findArcVersion(
  records: Records,
  planId: string,
  arcVersion: number,
): Promise<ArcVersionRow | undefined> {
  const [version] = await records.select('arc_versions', {
    where: [
      { column: 'plan_id', op: 'eq', value: planId },
      { column: 'arc_version', op: 'eq', value: arcVersion },
    ],
  });
  return version;
}

/** Plans, newest first. */
export async function listPlans(
  records: Records,
  listing: { workspace?: string | undefined; state?: PlanState | undefined; after?: string | undefined; limit: number },
): Promise<Page<PlanRow>> {
  const where: Filter<'plans'>[] = [];
  if (listing.workspace) where.push({ column: 'workspace', op: 'eq', value: listing.workspace });
  if (listing.state) where.push({ column: 'state', op: 'eq', value: listing.state });
  if (listing.after) where.push({ column: 'id', op: 'lt', value: listing.after });
  const rows = await records.select('plans', {
    where,
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(listing.limit),
  });
  return pageOf(rows, listing.limit, (row) => row.id);
}

/** The active plans of a workspace that begin in this time, both days included, oldest first. */
export async function activePlans(
  records: Records,
  workspace: string,
  { from, to }: { from: string; to?: string },
): Promise<PlanRow[]> {
  return records.select('plans', {
    where: [
      { column: 'workspace', op: 'eq', value: workspace },
      { column: 'state', op: 'eq', value: 'active' },
      { column: 'starts_on', op: 'gte', value: from },
      ...(to === undefined ? [] : [{ column: 'starts_on', op: 'lte', value: to } as const]),
    ],
    order: [{ column: 'id' }],
  });
}

/** Every approved arc of a plan, the first one first. */
export async function arcVersions(records: Records, planId: string): Promise<ArcVersionRow[]> {
  return records.select('arc_versions', {
    where: [{ column: 'plan_id', op: 'eq', value: planId }],
    order: [{ column: 'arc_version' }],
  });
}

/** The pivots of a plan, newest first. */
export async function listPivots(
  records: Records,
  listing: { planId: string; after?: string | undefined; limit: number },
): Promise<Page<PivotRow>> {
  const { planId, after, limit } = listing;
  const rows = await records.select('pivots', {
    where: [
      { column: 'plan_id', op: 'eq', value: planId },
      ...(after === undefined ? [] : [{ column: 'id' as const, op: 'lt' as const, value: after }]),
    ],
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(limit),
  });
  return pageOf(rows, limit, (row) => row.id);
}

/** What of a plan waits for people, oldest first. */
export async function pendingApprovals(records: Records, planId: string) {
  return records.select('approvals', {
    columns: ['id', 'kind', 'title', 'state', 'expires_at'],
    where: [
      { column: 'plan_id', op: 'eq', value: planId },
      { column: 'state', op: 'eq', value: 'pending' },
    ],
    order: [{ column: 'id' }],
  });
}
