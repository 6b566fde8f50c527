import type { Records } from '../database/records.ts';

/**
 * The oldest queued run of a campaign, to be handed to the workers after an earlier run ended; null when none waits.
 */
export async function nextQueuedRun(records: Records, campaignId: string): Promise<string | null> {
  const [next] = await records.select('campaign_runs', {
    where: [
      { column: 'campaign_id', op: 'eq', value: campaignId },
      { column: 'status', op: 'eq', value: 'queued' },
    ],
    order: [{ column: 'id' }],
    limit: 1,
  });
  return next?.id ?? null;
}
