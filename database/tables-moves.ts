import type { JsonObject } from '../shared/json.ts';
import type { Micros } from '../shared/money.ts';
import type { Iso } from './tables.ts';

export const APPROVAL_STATES = ['pending', 'approved', 'rejected', 'expired', 'withdrawn'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** A question to people that a step of a run waits for. */
export interface ApprovalRow {
  id: string;
  campaign_id: string;
  run_id: string;
  step_name: string;
  /** The plan that it is about. */
  plan_id: string | null;
  /** What is asked about: `step`, `arc`, `moves`, `pivot`; says how edits are checked. */
  kind: string;
  title: string;
  summary: string;
  /** What is to be approved. */
  subject: JsonObject;
  /** What edits are checked against, and what else whoever decides should see. */
  context: JsonObject;
  /** Any member of any of them may decide; nobody named: everybody. */
  groups: string[];
  requested_by: string | null;
  /** Whether whoever requested it may decide. */
  allow_self: boolean;
  state: ApprovalState;
  /** What becomes of it when nobody decides: `rejected` or `approved`. */
  on_expiry: 'approved' | 'rejected';
  created_at: Iso;
  expires_at: Iso;
  /** When people are reminded next; null when no more. */
  remind_at: Iso | null;
  reminders: number;
  decided_at: Iso | null;
  decided_by: string | null;
  reason: string | null;
  /** What was changed on approving: the subject as it then was, and the changes as JSON Patch (RFC 6902). */
  edited_subject: JsonObject | null;
  diff: JsonObject[] | null;
  /** When the run was woken for the answer or the step was given it; null: it is still to be told. */
  applied_at: Iso | null;
}

export const PLAN_STATES = ['planning', 'active', 'rejected', 'failed', 'ended'] as const;
export type PlanState = (typeof PLAN_STATES)[number];

export interface PlanRow {
  id: string;
  workspace: string;
  name: string;
  state: PlanState;
  /** Why it is rejected or failed. */
  state_reason: string | null;
  /** `PlanContext` of moves/context.ts. */
  context: JsonObject;
  /** First day of the 90. */
  starts_on: string;
  /** Of the approved arc; 0 before the first approval. */
  arc_version: number;
  requested_by: string;
  /** The run that plans it. */
  run_id: string | null;
  version: number;
  created_at: Iso;
  updated_at: Iso;
}

/** One approved arc of a plan. Never changed. */
export interface ArcVersionRow {
  plan_id: string;
  arc_version: number;
  /** `Arc` of moves/arc.ts. */
  arc: JsonObject;
  /** The facts that it cites. */
  evidence: JsonObject[];
  /** Against the version before: JSON Patch, and in words. */
  diff: JsonObject[];
  changes: string[];
  reason: string;
  approved_by: string | null;
  approval_id: string | null;
  pivot_id: string | null;
  run_id: string | null;
  /** What wrote it. */
  model: string;
  created_at: Iso;
}

export interface MoveRow {
  id: string;
  plan_id: string;
  arc_version: number;
  week: number;
  starts_on: string;
  ends_on: string;
  phase: string;
  title: string;
  hypothesis: string;
  /** Ids of facts. */
  evidence: string[];
  channel: string;
  owner: string;
  tasks: JsonObject[];
  kpi: string;
  /** `{change, low, high}` in the KPI's unit. */
  expected: JsonObject;
  /** Ids of moves. */
  depends_on: string[];
  effort_hours: number;
  priority: number;
  budget_micros: Micros;
  state: 'planned' | 'in_progress' | 'blocked' | 'done' | 'dropped';
  state_note: string | null;
  /** Each `{at, by, from, to, note}` or `{at, by, changed}`, oldest first. */
  history: JsonObject[];
  /** What was written for it: `{kind, artifactId, runId, …}`. */
  assets: JsonObject[];
  run_id: string | null;
  approval_id: string | null;
  version: number;
  created_at: Iso;
  updated_at: Iso;
}

/** One value of a KPI at a time. */
export interface KpiReadingRow {
  plan_id: string;
  kpi: string;
  observed_at: Iso;
  value: number;
  /** Connector and place. */
  source: string;
  read_at: Iso;
}

export type Colour = 'green' | 'amber' | 'red' | 'unknown';

/** The colour that people were last told of; what is shown is always computed anew. */
export interface KpiAlertRow {
  plan_id: string;
  kpi: string;
  colour: Colour;
  since_at: Iso;
  /** How often the colour has changed. */
  changes: number;
  /** What the last look at the source failed with, null when it did not. */
  problem: string | null;
  looked_at: Iso;
}

export interface PivotRow {
  id: string;
  plan_id: string;
  from_version: number;
  state: 'proposed' | 'approved' | 'rejected' | 'expired' | 'withdrawn';
  /** `PivotProposal` of moves/pivots/pivot.ts. */
  proposal: JsonObject;
  /** The variance that it answers. */
  variance: JsonObject;
  /** SHA-256 of what it rests on: it is not proposed again while this stays. */
  evidence_hash: string;
  to_version: number | null;
  decided_by: string | null;
  reason: string | null;
  run_id: string | null;
  approval_id: string | null;
  created_at: Iso;
  decided_at: Iso | null;
}

/** One use of a tool by an agent. */
export interface ToolCallRow {
  id: string;
  run_id: string;
  step_name: string;
  tool: string;
  arguments: JsonObject;
  outcome: 'completed' | 'refused' | 'failed';
  /** A summary of the result, or the error. */
  result: JsonObject;
  cost_micros: Micros;
  duration_ms: number;
  called_at: Iso;
}

/** Where the chain of a workspace's decisions ends. Written by the function `record_decisions` alone. */
export interface DecisionChainRow {
  workspace: string;
  /** How many decisions it has. */
  seq: number;
  head_hash: string;
}

export interface MovesTables {
  approvals: ApprovalRow;
  arc_versions: ArcVersionRow;
  decision_chains: DecisionChainRow;
  kpi_alerts: KpiAlertRow;
  kpi_readings: KpiReadingRow;
  moves: MoveRow;
  pivots: PivotRow;
  plans: PlanRow;
  tool_calls: ToolCallRow;
}
