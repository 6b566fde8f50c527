import { type CampaignDefinition, flattenSteps, type StepDefinition } from '../campaigns/definition.ts';
import type { RunRow, StepRow } from '../database/tables.ts';
import { iso } from '../shared/clock.ts';
import type { Micros } from '../shared/money.ts';
import type { BudgetFacts, CampaignFacts, RunFacts, StepFacts, StepUnknownFacts } from './facts.ts';
import { oneLine, printable } from './plain-text.ts';

const MOST_STEPS = 100;
const MOST_ERRORS = 20;

export interface Occasion {
  campaign: { id: string; definition: CampaignDefinition };
  slackConfigured: boolean;
  publicUrl: string;
  nowMs: number;
}

/** The columns of a run that messages tell about. */
export type FinishedRun = Pick<
  RunRow,
  | 'id'
  | 'trigger'
  | 'status'
  | 'status_reason'
  | 'started_at'
  | 'completed_at'
  | 'prospects_generated'
  | 'leads_analyzed'
  | 'emails_composed'
  | 'emails_sent'
  | 'total_cost_micros'
  | 'cost_unknown'
  | 'dry_run'
  | 'errors'
>;

/** Why a budget refused a step; the ledger's refusals fit. */
export interface Refusal {
  scope: string;
  period: string;
  startsOn: string | null;
  limitMicros: Micros;
  spentMicros: Micros;
  heldMicros: Micros;
  amountMicros: Micros;
  turnsAtMs: number | null;
  message: string;
}

/** What every message says of its campaign. */
export function campaignFacts({ campaign, publicUrl }: Occasion): CampaignFacts {
  return {
    campaignId: campaign.id,
    campaign: oneLine(campaign.definition.name),
    timezone: campaign.definition.schedule?.timezone ?? 'UTC',
    publicUrl: publicUrl.replace(/\/+$/, ''),
  };
}

/** What is told of a run that ended: bounded, however many steps it has and whatever their engines said. */
export function runFacts(occasion: Occasion, run: FinishedRun, steps: readonly StepRow[]): RunFacts {
  const definitions = new Map(
    flattenSteps(occasion.campaign.definition.steps).map(({ step }) => [step.name, step] as const),
  );
  // What failed is always listed, however many steps there are.
  const listed = steps.length <= MOST_STEPS ? steps : steps.filter((row, at) => at < MOST_STEPS / 2 || row.error);
  return {
    ...campaignFacts(occasion),
    runId: run.id,
    trigger: run.trigger,
    status: run.status,
    reason: run.status_reason === null ? null : printable(run.status_reason, 1_000),
    startedAt: run.started_at,
    completedAt: run.completed_at,
    prospects: run.prospects_generated,
    analyzed: run.leads_analyzed,
    composed: run.emails_composed,
    sent: run.emails_sent,
    costMicros: run.total_cost_micros,
    costUnknown: run.cost_unknown,
    dryRun: run.dry_run,
    steps: listed.slice(0, MOST_STEPS).map((row) => stepFacts(row, definitions.get(row.name))),
    stepsLeftOut: steps.length - Math.min(listed.length, MOST_STEPS),
    otherErrors: run.errors
      .filter((entry) => entry.step === null)
      .slice(0, MOST_ERRORS)
      .map((entry) => ({ code: oneLine(entry.code), message: printable(entry.error) })),
  };
}

function stepFacts(row: StepRow, definition: StepDefinition | undefined): StepFacts {
  const failed = row.error !== null && (row.status === 'failed' || row.status === 'unknown');
  return {
    name: oneLine(row.name),
    kind: row.kind,
    status: row.status,
    attempts: row.attempts,
    maxAttempts: definition?.retry.attempts ?? row.attempts,
    onFailure: definition?.onFailure ?? 'abort',
    costMicros: row.cost_micros,
    costUnknown: row.cost_unknown,
    durationMs: row.started_at && row.completed_at ? Date.parse(row.completed_at) - Date.parse(row.started_at) : null,
    error: failed && row.error ? { code: oneLine(row.error.code), message: printable(row.error.message) } : null,
  };
}

/** What is told of a step whose outcome nobody knows. */
export function unknownFacts(
  occasion: Occasion,
  { runId, step, runCancelled }: { runId: string; step: StepRow; runCancelled: boolean },
): StepUnknownFacts {
  const steps = flattenSteps(occasion.campaign.definition.steps);
  const definition = steps.find((entry) => entry.step.name === step.name)?.step;
  return {
    ...campaignFacts(occasion),
    runId,
    step: stepFacts(step, definition),
    engine: oneLine(definition?.engine ?? step.kind),
    endpoint: definition?.endpoint === undefined ? null : oneLine(withoutQuery(definition.endpoint), 500),
    method: definition?.method ?? 'POST',
    startedAt: step.started_at,
    waits: !runCancelled && definition?.onFailure !== 'continue' && definition?.onFailure !== 'log',
    runCancelled,
  };
}

/** What is told of the budget that refused a step. */
export function budgetFacts(refusal: Refusal): BudgetFacts['budget'] {
  const { scope, period, startsOn, limitMicros, spentMicros, heldMicros, amountMicros, turnsAtMs } = refusal;
  return {
    scope,
    period,
    startsOn,
    limitMicros,
    spentMicros,
    heldMicros,
    amountMicros,
    turnsAt: turnsAtMs === null ? null : iso(turnsAtMs),
    message: printable(refusal.message, 500),
  };
}

function withoutQuery(endpoint: string): string {
  return endpoint.split(/[?#]/)[0] ?? endpoint;
}
