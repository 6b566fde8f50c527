import type { JsonObject, RunErrorEntry, RunRow, RunStatus, StepRow } from '../database/tables.ts';
import { microsToDollars } from '../shared/money.ts';
import { METRICS } from '../steps/step.ts';

/** The columns of a run that follow from its steps. */
export type RunTotals = Pick<
  RunRow,
  | 'steps_completed'
  | 'steps_failed'
  | 'prospects_generated'
  | 'leads_analyzed'
  | 'emails_composed'
  | 'emails_sent'
  | 'total_cost_micros'
  | 'cost_unknown'
  | 'dry_run'
  | 'results'
>;

/** The columns are integers. */
const MOST = 2_147_483_647;

const succeeded = (step: StepRow) => step.status === 'completed' || step.status === 'empty';

/** How many leads a run has touched so far: the larger of those found and those analysed. */
export function leadsOf(steps: readonly StepRow[]): number {
  const sum = (metric: string) => steps.reduce((total, step) => total + (step.counts[metric] ?? 0), 0);
  return Math.max(sum('prospects_generated'), sum('leads_analyzed'));
}

/** Totals of a run, always computed anew from its step rows, so that a resumed run adds nothing twice. */
export function totalsOf(steps: readonly StepRow[]): RunTotals {
  const counts = Object.fromEntries(
    METRICS.map((metric) => [
      metric,
      Math.min(
        MOST,
        steps.reduce((total, step) => total + (step.counts[metric] ?? 0), 0),
      ),
    ]),
  ) as Pick<RunRow, (typeof METRICS)[number]>;
  return {
    ...counts,
    steps_completed: steps.filter(succeeded).length,
    steps_failed: steps.filter((step) => step.status === 'failed' || step.status === 'unknown').length,
    total_cost_micros: steps.reduce((total, step) => total + step.cost_micros, 0),
    cost_unknown: steps.some((step) => step.cost_unknown),
    dry_run: steps.some((step) => step.output?.['dryRun'] === true),
    results: Object.fromEntries(steps.map((step) => [step.name, resultOf(step)])),
  };
}

function resultOf(step: StepRow): JsonObject {
  return {
    status: step.status,
    success: succeeded(step),
    attempts: step.attempts,
    cost: microsToDollars(step.cost_micros),
    ...(step.cost_unknown ? { costUnknown: true } : {}),
    ...step.counts,
    ...(step.output?.['dryRun'] === true ? { dryRun: true } : {}),
    ...(step.error ? { error: step.error.message } : {}),
    ...(step.started_at && step.completed_at
      ? { time_ms: Date.parse(step.completed_at) - Date.parse(step.started_at) }
      : {}),
  };
}

/** The errors of a run in the order of its steps; `extra` are those that belong to no step, such as a spent budget. */
export function errorsOf(steps: readonly StepRow[], extra: readonly RunErrorEntry[]): RunErrorEntry[] {
  const ofSteps = steps
    .filter((step) => step.error && step.status !== 'skipped')
    .map((step) => ({
      step: step.name,
      code: step.error?.code ?? 'UNKNOWN',
      error: step.error?.message ?? '',
      at: step.completed_at ?? step.started_at ?? '',
    }));
  return [...ofSteps, ...extra];
}

/** How a run that came to its end ended. `stoppedBy` is the step with onFailure abort that failed. */
export function finalStatus(steps: readonly StepRow[], stoppedBy: StepRow | undefined): RunStatus {
  if (stoppedBy) return stoppedBy.status === 'unknown' ? 'waiting' : 'failed';
  return steps.some((step) => step.status === 'failed' || step.status === 'unknown') ? 'partial' : 'completed';
}
