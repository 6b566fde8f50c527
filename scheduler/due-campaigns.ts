import type { Records } from '../database/records.ts';
import type { CampaignRow, Iso } from '../database/tables.ts';

/** Campaigns of one page, at most. */
export const DUE_PAGE = 500;

/**
 * What is due at an instant, in the order of the due times, page after page until there is none; each campaign once, also when it
 * stays due because it could not be fired.
 * @throws {DatabaseUnavailableError}
 */
export async function* dueCampaigns(records: Records, now: Iso): AsyncGenerator<CampaignRow[], void> {
  const seen = new Set<string>();
  let last: CampaignRow | undefined;
  for (;;) {
    const page = await pageAfter(records, now, last);
    const fresh = page.filter((row) => !seen.has(row.id));
    if (fresh.length === 0) return;
    for (const row of fresh) seen.add(row.id);
    yield fresh;
    if (last === undefined && page.length < DUE_PAGE) return;
    last = page.at(-1);
  }
}

async function pageAfter(records: Records, now: Iso, last: CampaignRow | undefined): Promise<CampaignRow[]> {
  if (!last?.due_at) return pageWhere(records, [{ column: 'due_at', op: 'lte', value: now }]);
  const sameTime = await pageWhere(records, [
    { column: 'due_at', op: 'eq', value: last.due_at },
    { column: 'id', op: 'gt', value: last.id },
  ]);
  if (sameTime.length > 0) return sameTime;
  return pageWhere(records, [
    { column: 'due_at', op: 'lte', value: now },
    { column: 'due_at', op: 'gt', value: last.due_at },
  ]);
}

type Condition = { column: 'due_at' | 'id'; op: 'eq' | 'gt' | 'lte'; value: string };

function pageWhere(records: Records, where: Condition[]): Promise<CampaignRow[]> {
  return records.select('campaigns', {
    where: [...where, { column: 'deleted_at', op: 'is', value: null }],
    order: [{ column: 'due_at' }, { column: 'id' }],
    limit: DUE_PAGE,
  });
}
