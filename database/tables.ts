import type { Json, JsonObject } from '../shared/json.ts';
import type { Micros } from '../shared/money.ts';
import type { KnowledgeTables } from './tables-knowledge.ts';
import type { MovesTables } from './tables-moves.ts';

export type { Json, JsonObject };

/** ISO 8601 in UTC with milliseconds. */
export type Iso = string;

export type CampaignStatus = 'active' | 'paused' | 'completed' | 'error';

export interface CampaignRow {
  id: string;
  name: string;
  description: string | null;
  /** The whole validated definition, `CampaignDefinition` of campaigns/schema.ts. */
  config: JsonObject;
  schedule_cron: string | null;
  schedule_timezone: string;
  status: CampaignStatus;
  status_reason: string | null;
  paused_by: 'operator' | 'budget' | 'file' | null;
  /** When a pause ends by itself. */
  resume_at: Iso | null;
  source_file: string | null;
  source_hash: string | null;
  last_run_at: Iso | null;
  next_run_at: Iso | null;
  due_at: Iso | null;
  total_runs: number;
  total_cost_micros: Micros;
  project_id: string | null;
  version: number;
  created_at: Iso;
  updated_at: Iso;
  deleted_at: Iso | null;
}

export const RUN_STATUSES = [
  'queued',
  'running',
  'waiting',
  'completed',
  'partial',
  'failed',
  'aborted',
  'cancelled',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export interface RunErrorEntry {
  step: string | null;
  code: string;
  error: string;
  at: Iso;
}

export interface RunRow {
  id: string;
  campaign_id: string;
  trigger: 'schedule' | 'catch_up' | 'manual' | 'retry';
  scheduled_for: Iso | null;
  retry_of: string | null;
  definition: JsonObject;
  status: RunStatus;
  status_reason: string | null;
  waits_for_earlier: boolean;
  epoch: number;
  claimed_by: string | null;
  lease_until_at: Iso | null;
  cancel_requested_at: Iso | null;
  cancel_reason: string | null;
  created_at: Iso;
  started_at: Iso | null;
  completed_at: Iso | null;
  steps_total: number;
  steps_completed: number;
  steps_failed: number;
  prospects_generated: number;
  leads_analyzed: number;
  emails_composed: number;
  emails_sent: number;
  total_cost_micros: Micros;
  cost_unknown: boolean;
  dry_run: boolean;
  results: JsonObject;
  errors: RunErrorEntry[];
  event_seq: number;
  /** Set when the run was old enough to be pruned but still needed: from then its age counts anew. */
  ages_from_at: Iso | null;
  /** Whether the events have been pruned before the run itself. */
  events_pruned: boolean;
}

export type StepStatus = 'running' | 'waiting' | 'completed' | 'empty' | 'failed' | 'unknown' | 'skipped' | 'cancelled';

export interface AttemptEntry {
  attempt: number;
  started_at: Iso;
  completed_at: Iso | null;
  cost_micros: Micros;
  cost_unknown: boolean;
  error: { code: string; message: string } | null;
  /** It ended by asking people, whose answer the next attempt has. */
  waited?: true;
}

export interface StepRow {
  run_id: string;
  name: string;
  position: number;
  kind: string;
  effect: 'repeatable' | 'once';
  status: StepStatus;
  attempts: number;
  started_at: Iso | null;
  completed_at: Iso | null;
  cost_micros: Micros;
  cost_unknown: boolean;
  counts: { [metric: string]: number };
  /** What later steps may refer to: the engine's answer, cut down to a bounded summary. */
  output: JsonObject | null;
  error: { code: string; message: string; retryable: boolean } | null;
  attempt_log: AttemptEntry[];
  carried_from: string | null;
}

export interface RunEventRow {
  run_id: string;
  seq: number;
  type: string;
  occurred_at: Iso;
  data: JsonObject;
}

export interface FireRow {
  id: string;
  campaign_id: string;
  /** The nominal time. */
  scheduled_for: Iso;
  /** The nominal time plus jitter. */
  effective_for: Iso;
  outcome: 'ran' | 'caught_up' | 'skipped';
  /** Why it was skipped: `overlap`, `paused`, `budget`, `expired`, `superseded`, `queue_full`. */
  reason: string | null;
  detail: string | null;
  /** How many nominal times this row stands for; above 1 only after a very long absence. */
  missed_count: number;
  run_id: string | null;
  created_at: Iso;
}

export interface DecisionRow {
  id: string;
  agent: string;
  action: string;
  campaign_id: string | null;
  run_id: string | null;
  decided_at: Iso;
  reasoning: string;
  /** 0 to 1. */
  confidence: number;
  predicted: JsonObject;
  evidence: JsonObject;
  /** Whose chain it is in; null: in none, as what the service decides about fires and runs. */
  workspace: string | null;
  plan_id: string | null;
  /** Its place in the chain, from 1 on. */
  chain_seq: number | null;
  /** SHA-256 of the entry before, in hexadecimal; of the first one 64 zeros. */
  prev_hash: string | null;
  /** SHA-256 of this entry; docs/decisions-log.md says of what. */
  hash: string | null;
}

/** A decision that goes into no chain. */
export type UnchainedDecision = Omit<DecisionRow, 'workspace' | 'plan_id' | 'chain_seq' | 'prev_hash' | 'hash'>;

export interface IdempotencyRow {
  key: string;
  request_hash: string;
  status: number | null;
  response: Json;
  created_at: Iso;
}

export type Period = 'day' | 'week' | 'month';

export interface BudgetPeriodRow {
  scope: string;
  period: Period;
  /** First day of the period, `YYYY-MM-DD`. */
  starts_on: string;
  campaign_id: string | null;
  spent_micros: Micros;
  held_micros: Micros;
}

export interface BudgetEntryRow {
  key: string;
  campaign_id: string;
  run_id: string;
  step_name: string;
  state: 'held' | 'settled';
  held_micros: Micros;
  spent_micros: Micros;
  cost_unknown: boolean;
  periods: Json;
  created_at: Iso;
  settled_at: Iso | null;
}

export interface BudgetAlertRow {
  scope: string;
  period: Period;
  starts_on: string;
  percent: number;
  campaign_id: string | null;
  limit_micros: Micros;
  spent_micros: Micros;
  raised_at: Iso;
}

export interface NotificationRow {
  id: string;
  dedupe_key: string;
  kind: string;
  notifier: 'email' | 'slack';
  recipient: string;
  campaign_id: string | null;
  run_id: string | null;
  facts: JsonObject;
  status: 'pending' | 'sending' | 'sent' | 'failed' | 'undeliverable';
  attempts: number;
  next_attempt_at: Iso;
  lease_until_at: Iso | null;
  last_error: string | null;
  created_at: Iso;
  sent_at: Iso | null;
}

export interface SessionMemoryRow {
  namespace: string;
  id: string;
  /** Higher after each write; never the same twice. */
  version: number;
  /** JSON, as it was given. */
  state: string;
  /** SHA-256 of the state, in base64url. */
  digest: string;
  updated_at: Iso;
}

export interface EpisodeRow {
  campaign_id: string;
  key: string;
  opened_at: Iso;
  notified_at: Iso;
  closed_at: Iso | null;
  occurrences: number;
}

/** An answer of a model, kept by a hash of all that it depends on. */
export interface ModelAnswerRow {
  key: string;
  json: Json;
  model: string;
  cost_micros: Micros;
  created_at: Iso;
}

/** Every table that the service reads or writes through the port. */
export interface Tables extends KnowledgeTables, MovesTables {
  agent_decisions: DecisionRow;
  alert_episodes: EpisodeRow;
  budget_alerts: BudgetAlertRow;
  budget_entries: BudgetEntryRow;
  budget_periods: BudgetPeriodRow;
  campaign_fires: FireRow;
  campaign_runs: RunRow;
  campaigns: CampaignRow;
  idempotency_keys: IdempotencyRow;
  model_answers: ModelAnswerRow;
  notifications: NotificationRow;
  run_events: RunEventRow;
  run_steps: StepRow;
  session_memory: SessionMemoryRow;
}
