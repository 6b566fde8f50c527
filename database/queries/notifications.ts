import type { Filter, Records } from '../records.ts';
import type { NotificationRow } from '../tables.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

export interface NotificationListing {
  status?: NotificationRow['status'] | undefined;
  campaignId?: string | undefined;
  /** Id of the last notification of the page before. */
  after?: string | undefined;
  limit: number;
}

export async function listNotifications(
  records: Records,
  listing: NotificationListing,
): Promise<Page<NotificationRow>> {
  const where: Filter<'notifications'>[] = [];
  if (listing.status) where.push({ column: 'status', op: 'eq', value: listing.status });
  if (listing.campaignId) where.push({ column: 'campaign_id', op: 'eq', value: listing.campaignId });
  if (listing.after) where.push({ column: 'id', op: 'lt', value: listing.after });
  const rows = await records.select('notifications', {
    where,
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(listing.limit),
  });
  return pageOf(rows, listing.limit, (row) => row.id);
}
