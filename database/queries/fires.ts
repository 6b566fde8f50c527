import type { Filter, Records } from '../records.ts';
import type { FireRow, Iso } from '../tables.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

export interface FireListing {
  campaignId: string;
  outcome?: FireRow['outcome'] | undefined;
  /** Nominal time of the last fire of the page before. */
  before?: Iso | undefined;
  limit: number;
}

/** What became of each nominal time of a campaign, latest first. */
export async function listFires(records: Records, listing: FireListing): Promise<Page<FireRow>> {
  const where: Filter<'campaign_fires'>[] = [{ column: 'campaign_id', op: 'eq', value: listing.campaignId }];
  if (listing.outcome) where.push({ column: 'outcome', op: 'eq', value: listing.outcome });
  if (listing.before) where.push({ column: 'scheduled_for', op: 'lt', value: listing.before });
  const rows = await records.select('campaign_fires', {
    where,
    order: [{ column: 'scheduled_for', descending: true }],
    limit: rowsToRead(listing.limit),
  });
  return pageOf(rows, listing.limit, (row) => row.scheduled_for);
}
