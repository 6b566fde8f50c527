import { z } from 'zod';
import { type DecisionRow, RUN_STATUSES, type RunRow, type StepRow } from '../../database/tables.ts';
import type { Scope } from '../../shared/config-lists.ts';
import { microsToDollars } from '../../shared/money.ts';
import { anyObject, count, dollars, time } from './common.ts';
import { shownDefinition } from './definition.ts';

export const runStatus = z.enum(RUN_STATUSES);

const fields = {
  id: z.guid(),
  campaign_id: z.guid(),
  trigger: z.enum(['schedule', 'catch_up', 'manual', 'retry']),
  scheduled_for: time.nullable().meta({ description: 'The nominal time, for runs of the schedule.' }),
  retry_of: z.guid().nullable(),
  status: runStatus,
  status_reason: z.string().nullable(),
  created_at: time,
  started_at: time.nullable(),
  completed_at: time.nullable(),
  steps_total: count,
  steps_completed: count,
  steps_failed: count,
  prospects_generated: count,
  leads_analyzed: count,
  emails_composed: count,
  emails_sent: count,
  total_cost: dollars,
  cost_unknown: z.boolean().meta({
    description:
      'An engine or a model did not say what it cost: what was held for it was charged, or the most that it can have been.',
  }),
  dry_run: z.boolean().meta({ description: 'An engine only pretended.' }),
  cancel_requested_at: time.nullable(),
  errors: z.array(z.strictObject({ step: z.string().nullable(), code: z.string(), error: z.string(), at: z.string() })),
};

export const runSummary = z.strictObject(fields).meta({ id: 'RunSummary' });
export type RunSummary = z.infer<typeof runSummary>;

const attempt = z.strictObject({
  attempt: count,
  started_at: time,
  completed_at: time.nullable(),
  cost: dollars,
  cost_unknown: z.boolean(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
});

const step = z
  .strictObject({
    name: z.string(),
    position: count,
    kind: z.string(),
    effect: z.enum(['repeatable', 'once']),
    status: z.enum(['running', 'waiting', 'completed', 'empty', 'failed', 'unknown', 'skipped', 'cancelled']),
    attempts: count.meta({ description: 'How often it was begun, after the answers of people too.' }),
    started_at: time.nullable(),
    completed_at: time.nullable(),
    cost: dollars,
    cost_unknown: z.boolean(),
    counts: z.record(z.string(), z.number()),
    output: anyObject.nullable(),
    error: z.strictObject({ code: z.string(), message: z.string(), retryable: z.boolean() }).nullable(),
    attempt_log: z.array(attempt),
    carried_from: z.guid().nullable().meta({ description: 'The earlier run that this step was completed in.' }),
  })
  .meta({ id: 'RunStep' });

const decision = z
  .strictObject({
    id: z.guid(),
    agent: z.string(),
    action: z.string(),
    decided_at: time,
    reasoning: z.string(),
    confidence: z.number().min(0).max(1),
    predicted: anyObject,
    evidence: anyObject,
  })
  .meta({ id: 'Decision' });

export const runDetail = z
  .strictObject({
    ...fields,
    campaign_name: z.string(),
    cancel_reason: z.string().nullable(),
    definition: anyObject.meta({ description: 'The definition that this run started with.' }),
    results: anyObject.meta({ description: 'A short result a step.' }),
    steps: z.array(step),
    decisions: z.array(decision),
  })
  .meta({ id: 'Run' });
export type RunDetail = z.infer<typeof runDetail>;

export function summarizeRun(row: RunRow): RunSummary {
  return {
    id: row.id,
    campaign_id: row.campaign_id,
    trigger: row.trigger,
    scheduled_for: row.scheduled_for,
    retry_of: row.retry_of,
    status: row.status,
    status_reason: row.status_reason,
    created_at: row.created_at,
    started_at: row.started_at,
    completed_at: row.completed_at,
    steps_total: row.steps_total,
    steps_completed: row.steps_completed,
    steps_failed: row.steps_failed,
    prospects_generated: row.prospects_generated,
    leads_analyzed: row.leads_analyzed,
    emails_composed: row.emails_composed,
    emails_sent: row.emails_sent,
    total_cost: microsToDollars(row.total_cost_micros),
    cost_unknown: row.cost_unknown,
    dry_run: row.dry_run,
    cancel_requested_at: row.cancel_requested_at,
    errors: row.errors.map((entry) => ({ step: entry.step, code: entry.code, error: entry.error, at: entry.at })),
  };
}

/** @param scope of the key of whoever will see it */
export function presentRun(
  row: RunRow,
  steps: readonly StepRow[],
  decisions: readonly DecisionRow[],
  scope: Scope | null,
): RunDetail {
  const name = row.definition['name'];
  return {
    ...summarizeRun(row),
    campaign_name: typeof name === 'string' ? name : '',
    cancel_reason: row.cancel_reason,
    definition: shownDefinition(row.definition, scope),
    results: row.results,
    steps: steps.map(presentStep),
    decisions: decisions.map(presentDecision),
  };
}

function presentStep(row: StepRow): z.infer<typeof step> {
  return {
    name: row.name,
    position: row.position,
    kind: row.kind,
    effect: row.effect,
    status: row.status,
    attempts: row.attempts,
    started_at: row.started_at,
    completed_at: row.completed_at,
    cost: microsToDollars(row.cost_micros),
    cost_unknown: row.cost_unknown,
    counts: row.counts,
    output: row.output,
    error: row.error && { code: row.error.code, message: row.error.message, retryable: row.error.retryable },
    attempt_log: row.attempt_log.map((entry) => ({
      attempt: entry.attempt,
      started_at: entry.started_at,
      completed_at: entry.completed_at,
      cost: microsToDollars(entry.cost_micros),
      cost_unknown: entry.cost_unknown,
      error: entry.error && { code: entry.error.code, message: entry.error.message },
    })),
    carried_from: row.carried_from,
  };
}

function presentDecision(row: DecisionRow): z.infer<typeof decision> {
  return {
    id: row.id,
    agent: row.agent,
    action: row.action,
    decided_at: row.decided_at,
    reasoning: row.reasoning,
    confidence: row.confidence,
    predicted: row.predicted,
    evidence: row.evidence,
  };
}
