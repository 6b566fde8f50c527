/** Something wrong with a proposal. `code` stands in docs/errors.md. */
export interface Finding {
  code: FindingCode;
  /** JSON path within the proposal, such as `phases[1].endsOn`; empty for the whole of it. */
  path: string;
  message: string;
  mend: string;
}

/** What the deterministic validation finds, and nothing that a model says can make it find less. */
export const FINDING_CODES = [
  'PLAN_BUDGET_EXCEEDED',
  'PLAN_BUDGET_SHARES',
  'PLAN_CHANNEL_UNKNOWN',
  'PLAN_DATES_OUTSIDE',
  'PLAN_DATES_REVERSED',
  'PLAN_DEPENDENCY_CYCLE',
  'PLAN_DEPENDENCY_ORDER',
  'PLAN_DEPENDENCY_UNKNOWN',
  'PLAN_DUPLICATE_ID',
  'PLAN_EFFORT_MISMATCH',
  'PLAN_EXPECTED_DIRECTION',
  'PLAN_EXPECTED_RANGE',
  'PLAN_FACT_UNKNOWN',
  'PLAN_KPI_MISSING',
  'PLAN_KPI_TARGET',
  'PLAN_KPI_UNKNOWN',
  'PLAN_NUMBER_UNSUPPORTED',
  'PLAN_OWNER_UNKNOWN',
  'PLAN_PAST_CHANGED',
  'PLAN_PHASES_GAP',
  'PLAN_PHASES_ORDER',
  'PLAN_PHASES_OVERLAP',
  'PLAN_PHASE_MISMATCH',
  'PLAN_PHASE_UNKNOWN',
  'PLAN_PIVOT_EMPTY',
  'PLAN_PRIORITY_ORDER',
  'PLAN_THRESHOLDS',
  'PLAN_TOOL_UNVERIFIED',
  'PLAN_UNCITED',
  'PLAN_WEEK_EMPTY',
  'PLAN_WEEK_UNASKED',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];
