import type { Records } from '../records.ts';

/** How briefs have gone, as the function `brief_metrics` says it. Durations in milliseconds, rates from 0 to 1. */
export interface BriefMetricsRow {
  runs: number;
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

/** @param since ISO time; runs that were begun since then, and before `until`, count once they have ended */
export function briefMetrics(
  records: Records,
  campaignId: string,
  since: string,
  until: string,
): Promise<BriefMetricsRow> {
  return records.call('brief_metrics', { p_campaign_id: campaignId, p_since: since, p_until: until });
}
