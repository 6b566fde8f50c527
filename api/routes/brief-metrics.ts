import { z } from 'zod';
import { type BriefMetricsRow, briefMetrics } from '../../database/queries/briefs.ts';
import { BRIEFS_CAMPAIGN_ID } from '../../generation/briefs/definition.ts';
import { microsToDollars } from '../../shared/money.ts';
import { type Operation, operation } from '../operation.ts';
import { briefMetricsShape } from '../shapes/brief.ts';
import { success } from '../shapes/common.ts';

const DAY_MS = 86_400_000;
/** Of runs that were not cancelled, over 30 days. */
const SUCCESS_TARGET = 0.95;
const measured = z.strictObject({ success, metrics: briefMetricsShape });

function presentMetrics(row: BriefMetricsRow, days: number): z.infer<typeof briefMetricsShape> {
  return {
    days,
    runs: row.runs,
    repairs: row.repairs,
    completed: row.completed,
    partial: row.partial,
    failed: row.failed,
    cancelled: row.cancelled,
    successRate: row.success_rate,
    successTarget: SUCCESS_TARGET,
    cancellationRate: row.cancellation_rate,
    meanDurationMs: row.mean_ms,
    p95DurationMs: row.p95_ms,
    meanFirstArtifactMs: row.first_artifact_mean_ms,
    p95FirstArtifactMs: row.first_artifact_p95_ms,
    meanAuditMs: row.audit_mean_ms,
    agents: row.agents.map(({ agent, ended, failed, retries, failure_rate, mean_ms, p95_ms, cost_micros }) => ({
      agent,
      ended,
      failed,
      retries,
      failureRate: failure_rate,
      meanMs: mean_ms,
      p95Ms: p95_ms,
      cost: microsToDollars(cost_micros),
    })),
  };
}

const metrics = operation({
  id: 'briefMetrics',
  method: 'get',
  path: '/api/briefs/metrics',
  tag: 'Briefs',
  summary: 'How briefs have gone lately',
  description: 'Of runs that have ended. The same as counters and histograms by kind of step: `GET /metrics`.',
  scope: 'read',
  query: z.strictObject({
    days: z.coerce.number().int().min(1).max(365).default(30).meta({ description: 'How far back.' }),
  }),
  answers: { 200: { description: 'The figures.', schema: measured } },
  async handle({ query }, { records, clock }) {
    const now = clock.now();
    const row = await briefMetrics(records, BRIEFS_CAMPAIGN_ID, now - query.days * DAY_MS, now + DAY_MS);
    return {
      status: 200,
      body: { success: true, metrics: presentMetrics(row, query.days) } satisfies z.infer<typeof measured>,
    };
  },
});

export const briefMetricsOperations: readonly Operation[] = [metrics];
