import type { Filter, Records } from '../records.ts';
import type { CampaignRow, CampaignStatus } from '../tables.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

const LIVING: Filter<'campaigns'> = { column: 'deleted_at', op: 'is', value: null };
const ACTIVE: Filter<'campaigns'> = { column: 'status', op: 'eq', value: 'active' };

export interface CampaignListing {
  status?: CampaignStatus | undefined;
  /** Id of the last campaign of the page before. */
  after?: string | undefined;
  limit: number;
}

/** A campaign that is not deleted. */
export async function findCampaign(records: Records, id: string): Promise<CampaignRow | undefined> {
  const [campaign] = await records.select('campaigns', { where: [{ column: 'id', op: 'eq', value: id }, LIVING] });
  return campaign;
}

export async function listCampaigns(records: Records, listing: CampaignListing): Promise<Page<CampaignRow>> {
  const where: Filter<'campaigns'>[] = [LIVING];
  if (listing.status) where.push({ column: 'status', op: 'eq', value: listing.status });
  if (listing.after) where.push({ column: 'id', op: 'lt', value: listing.after });
  const rows = await records.select('campaigns', {
    where,
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(listing.limit),
  });
  return pageOf(rows, listing.limit, (row) => row.id);
}

export async function countActiveCampaigns(records: Records): Promise<number> {
  return records.count('campaigns', [LIVING, ACTIVE]);
}

/** Active campaigns whose schedule has a next fire. */
export async function countScheduledCampaigns(records: Records): Promise<number> {
  return records.count('campaigns', [LIVING, ACTIVE, { column: 'next_run_at', op: 'is_not', value: null }]);
}
