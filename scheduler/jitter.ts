import { createHash } from 'node:crypto';

/**
 * How long after its nominal times a campaign fires, in milliseconds from 0 to `jitterMs`: always the same for one campaign, and
 * spread evenly over campaigns, so that those of one nominal time do not start together.
 */
export function jitterOf(campaignId: string, jitterMs: number): number {
  if (!(jitterMs > 0)) return 0;
  const fraction = createHash('sha256').update(campaignId).digest().readUIntBE(0, 6) / 2 ** 48;
  return Math.floor(fraction * (Math.floor(jitterMs) + 1));
}
