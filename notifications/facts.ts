import type { Colour } from '../database/tables-moves.ts';
import type { Iso, JsonObject, RunStatus, StepStatus } from '../database/tables.ts';
import type { Micros } from '../shared/money.ts';

/** What messages are about. Each kind has its own facts and its own wording (content.ts). */
export type NotificationKind =
  | 'approval.asked'
  | 'approval.reminder'
  | 'budget.exceeded'
  | 'budget.resumed'
  | 'kpi.changed'
  | 'run.aborted'
  | 'run.completed'
  | 'run.failed'
  | 'run.partial'
  | 'run.recovered'
  | 'step.unknown';

/** Facts are plain JSON, stored with the message; words are made of them when it is sent. Money is in micro-dollars. */
export type CampaignFacts = {
  campaignId: string;
  campaign: string;
  /** IANA name, in which times are shown. */
  timezone: string;
  /** Start of every link and curl line, without a slash at the end. */
  publicUrl: string;
};

export type StepFacts = {
  name: string;
  kind: string;
  status: StepStatus;
  attempts: number;
  maxAttempts: number;
  onFailure: 'abort' | 'continue' | 'log';
  costMicros: Micros;
  costUnknown: boolean;
  durationMs: number | null;
  error: { code: string; message: string } | null;
};

export type RunFacts = CampaignFacts & {
  runId: string;
  trigger: string;
  status: RunStatus;
  reason: string | null;
  startedAt: Iso | null;
  completedAt: Iso | null;
  prospects: number;
  analyzed: number;
  composed: number;
  sent: number;
  costMicros: Micros;
  costUnknown: boolean;
  dryRun: boolean;
  steps: StepFacts[];
  /** Steps beyond the first hundred, which are not listed. */
  stepsLeftOut: number;
  /** Errors that belong to no step. */
  otherErrors: { code: string; message: string }[];
};

export type BudgetFacts = RunFacts & {
  budget: {
    scope: string;
    period: string;
    startsOn: string | null;
    limitMicros: Micros;
    spentMicros: Micros;
    heldMicros: Micros;
    amountMicros: Micros;
    /** When the campaign goes on by itself; null: it is not paused. */
    turnsAt: Iso | null;
    message: string;
  };
};

export type StepUnknownFacts = CampaignFacts & {
  runId: string;
  step: StepFacts;
  engine: string;
  /** Where the step was sent, without its query; null when the engine's configured address was used. */
  endpoint: string | null;
  method: string;
  startedAt: Iso | null;
  /** Whether the run waits for the decision, rather than going on without it. */
  waits: boolean;
  /** Whether the run was cancelled while the step was under way. */
  runCancelled: boolean;
};

export type ResumedFacts = CampaignFacts & {
  /** Why it had been paused. */
  reason: string | null;
  resumedAt: Iso;
  nextRunAt: Iso | null;
};

export type ApprovalFacts = CampaignFacts & {
  runId: string;
  approvalId: string;
  title: string;
  summary: string;
  /** Whose members decide; empty: everybody may. */
  groups: string[];
  requestedBy: string | null;
  /** Whether whoever requested it may decide. */
  allowSelf: boolean;
  expiresAt: Iso;
  /** What becomes of it when nobody decides. */
  onExpiry: 'approved' | 'rejected';
};

export type KpiFacts = CampaignFacts & {
  runId: string;
  planId: string;
  plan: string;
  kpi: string;
  label: string;
  unit: string;
  from: Colour;
  to: Colour;
  value: number | null;
  /** Of the day of the value. */
  expected: number | null;
  /** Of what should have been gained by then. */
  attainment: number | null;
  target: number;
  observedAt: Iso | null;
};

/** A message as content.ts puts it into words. */
export type NotificationFacts =
  | { kind: 'approval.asked' | 'approval.reminder'; facts: ApprovalFacts }
  | { kind: 'run.aborted' | 'run.completed' | 'run.failed' | 'run.partial' | 'run.recovered'; facts: RunFacts }
  | { kind: 'budget.exceeded'; facts: BudgetFacts }
  | { kind: 'budget.resumed'; facts: ResumedFacts }
  | { kind: 'kpi.changed'; facts: KpiFacts }
  | { kind: 'step.unknown'; facts: StepUnknownFacts };

/** The facts of a stored row. Rows are written by messages.ts alone, so their shape follows from their kind. */
export function factsOf(row: { kind: string; facts: JsonObject }): NotificationFacts {
  return { kind: row.kind, facts: row.facts } as unknown as NotificationFacts;
}
