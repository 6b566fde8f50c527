import { iso } from '../../shared/clock.ts';
import { firstIdAt } from '../../shared/ids.ts';
import type { Records } from '../records.ts';

/** How briefs have gone, as the function `brief_metrics` says it. Durations in milliseconds, rates from 0 to 1. */
export interface BriefMetricsRow {
  runs: number;
  repairs: number;
  completed: number;
  partial: number;
  failed: number;
  cancelled: number;
  success_rate: number | null;
  cancellation_rate: number | null;
  mean_ms: number | null;
  p95_ms: number | null;
  first_artifact_mean_ms: number | null;
  first_artifact_p95_ms: number | null;
  audit_mean_ms: number | null;
  agents: {
    agent: string;
    ended: number;
    failed: number;
    retries: number;
    failure_rate: number;
    mean_ms: number | null;
    p95_ms: number | null;
    cost_micros: number;
  }[];
}

/** Briefs that came in the given time count once they have ended. @param sinceMs milliseconds since the epoch, as `untilMs` */
export function briefMetrics(
  records: Records,
  campaignId: string,
  sinceMs: number,
  untilMs: number,
): Promise<BriefMetricsRow> {
  return records.call('brief_metrics', {
    p_campaign_id: campaignId,
    p_since: iso(sinceMs),
    p_until: iso(untilMs),
    p_from_id: firstIdAt(sinceMs),
  });
}
