import { KNOWLEDGE_COLUMNS, KNOWLEDGE_KEYS } from './columns-knowledge.ts';
import { MOVES_COLUMNS, MOVES_KEYS } from './columns-moves.ts';
import type { Column, Query, Row, TableName } from './records.ts';
import type { Tables } from './tables.ts';

/**
 * How a column's value crosses the port: `time` as ISO text in UTC with milliseconds, `integer` as a safe integer, `date` as
 * `YYYY-MM-DD`, `json` as a plain value, `plain` as it is.
 */
export type ColumnKind = 'plain' | 'json' | 'time' | 'date' | 'integer' | 'number';

type Columns = { [T in TableName]: Record<keyof Tables[T] & string, ColumnKind> };

/**
 * Every column that the service knows; the compiler compares it with the row types, a test with the migrations. Statements name
 * these columns and no others, so a database that is one version ahead gives no surprises.
 */
export const COLUMNS: Columns = {
  agent_decisions: {
    id: 'plain',
    agent: 'plain',
    action: 'plain',
    campaign_id: 'plain',
    run_id: 'plain',
    decided_at: 'time',
    reasoning: 'plain',
    confidence: 'number',
    predicted: 'json',
    evidence: 'json',
    workspace: 'plain',
    plan_id: 'plain',
    chain_seq: 'integer',
    prev_hash: 'plain',
    hash: 'plain',
  },
  alert_episodes: {
    campaign_id: 'plain',
    key: 'plain',
    opened_at: 'time',
    notified_at: 'time',
    closed_at: 'time',
    occurrences: 'integer',
  },
  budget_alerts: {
    scope: 'plain',
    period: 'plain',
    starts_on: 'date',
    percent: 'integer',
    campaign_id: 'plain',
    limit_micros: 'integer',
    spent_micros: 'integer',
    raised_at: 'time',
  },
  budget_entries: {
    key: 'plain',
    campaign_id: 'plain',
    run_id: 'plain',
    step_name: 'plain',
    state: 'plain',
    held_micros: 'integer',
    spent_micros: 'integer',
    cost_unknown: 'plain',
    periods: 'json',
    created_at: 'time',
    settled_at: 'time',
  },
  budget_periods: {
    scope: 'plain',
    period: 'plain',
    starts_on: 'date',
    campaign_id: 'plain',
    spent_micros: 'integer',
    held_micros: 'integer',
  },
  campaign_fires: {
    id: 'plain',
    campaign_id: 'plain',
    scheduled_for: 'time',
    effective_for: 'time',
    outcome: 'plain',
    reason: 'plain',
    detail: 'plain',
    missed_count: 'integer',
    run_id: 'plain',
    created_at: 'time',
  },
  campaign_runs: {
    id: 'plain',
    campaign_id: 'plain',
    trigger: 'plain',
    scheduled_for: 'time',
    retry_of: 'plain',
    definition: 'json',
    status: 'plain',
    status_reason: 'plain',
    waits_for_earlier: 'plain',
    epoch: 'integer',
    claimed_by: 'plain',
    lease_until_at: 'time',
    cancel_requested_at: 'time',
    cancel_reason: 'plain',
    created_at: 'time',
    started_at: 'time',
    completed_at: 'time',
    steps_total: 'integer',
    steps_completed: 'integer',
    steps_failed: 'integer',
    prospects_generated: 'integer',
    leads_analyzed: 'integer',
    emails_composed: 'integer',
    emails_sent: 'integer',
    total_cost_micros: 'integer',
    cost_unknown: 'plain',
    dry_run: 'plain',
    results: 'json',
    errors: 'json',
    event_seq: 'integer',
    ages_from_at: 'time',
    events_pruned: 'plain',
  },
  campaigns: {
    id: 'plain',
    name: 'plain',
    description: 'plain',
    config: 'json',
    schedule_cron: 'plain',
    schedule_timezone: 'plain',
    status: 'plain',
    status_reason: 'plain',
    paused_by: 'plain',
    resume_at: 'time',
    source_file: 'plain',
    source_hash: 'plain',
    last_run_at: 'time',
    next_run_at: 'time',
    due_at: 'time',
    total_runs: 'integer',
    total_cost_micros: 'integer',
    project_id: 'plain',
    version: 'integer',
    created_at: 'time',
    updated_at: 'time',
    deleted_at: 'time',
  },
  idempotency_keys: {
    key: 'plain',
    request_hash: 'plain',
    status: 'integer',
    response: 'json',
    created_at: 'time',
  },
  ...KNOWLEDGE_COLUMNS,
  ...MOVES_COLUMNS,
  model_answers: {
    key: 'plain',
    json: 'json',
    model: 'plain',
    cost_micros: 'integer',
    created_at: 'time',
  },
  notifications: {
    id: 'plain',
    dedupe_key: 'plain',
    kind: 'plain',
    notifier: 'plain',
    recipient: 'plain',
    campaign_id: 'plain',
    run_id: 'plain',
    facts: 'json',
    status: 'plain',
    attempts: 'integer',
    next_attempt_at: 'time',
    lease_until_at: 'time',
    last_error: 'plain',
    created_at: 'time',
    sent_at: 'time',
  },
  run_events: {
    run_id: 'plain',
    seq: 'integer',
    type: 'plain',
    occurred_at: 'time',
    data: 'json',
  },
  run_steps: {
    run_id: 'plain',
    name: 'plain',
    position: 'integer',
    kind: 'plain',
    effect: 'plain',
    status: 'plain',
    attempts: 'integer',
    started_at: 'time',
    completed_at: 'time',
    cost_micros: 'integer',
    cost_unknown: 'plain',
    counts: 'json',
    output: 'json',
    error: 'json',
    attempt_log: 'json',
    carried_from: 'plain',
  },
  session_memory: {
    namespace: 'plain',
    id: 'plain',
    version: 'integer',
    state: 'plain',
    digest: 'plain',
    updated_at: 'time',
  },
};

/** Primary keys: what pages are ordered by in the end, and what `conflict: 'ignore'` looks at. */
export const PRIMARY_KEYS: { [T in TableName]: readonly (keyof Row<T> & string)[] } = {
  agent_decisions: ['id'],
  alert_episodes: ['campaign_id', 'key'],
  budget_alerts: ['scope', 'period', 'starts_on', 'percent'],
  budget_entries: ['key'],
  budget_periods: ['scope', 'period', 'starts_on'],
  campaign_fires: ['id'],
  campaign_runs: ['id'],
  campaigns: ['id'],
  idempotency_keys: ['key'],
  ...KNOWLEDGE_KEYS,
  ...MOVES_KEYS,
  model_answers: ['key'],
  notifications: ['id'],
  run_events: ['run_id', 'seq'],
  run_steps: ['run_id', 'name'],
  session_memory: ['namespace', 'id'],
};

/** Names of all jsonb columns: what is inside them belongs to whoever wrote it and is never touched. */
export const JSON_COLUMNS: ReadonlySet<string> = new Set(
  Object.values(COLUMNS).flatMap((columns) =>
    Object.entries(columns).flatMap(([name, kind]) => (kind === 'json' ? [name] : [])),
  ),
);

/**
 * The kind of a table's column.
 * @throws {TypeError} when the table or the column is not known; names are never taken from outside unchecked
 */
export function kindOf(table: TableName, column: string): ColumnKind {
  const columns: Record<string, ColumnKind> | undefined = Object.hasOwn(COLUMNS, table) ? COLUMNS[table] : undefined;
  const kind = columns && Object.hasOwn(columns, column) ? columns[column] : undefined;
  if (!kind) throw new TypeError(`The database has no known column ${table}.${column}.`);
  return kind;
}

/** All column names of a table, in a fixed order. @throws {TypeError} when the table is not known */
export function columnNames(table: TableName): string[] {
  if (!Object.hasOwn(COLUMNS, table)) throw new TypeError(`The database has no known table ${table}.`);
  return Object.keys(COLUMNS[table]);
}

/**
 * The columns that a query reads, in a fixed order.
 * @throws {TypeError} when one is not known, or rows are ordered by one that is not read
 */
export function readColumns<T extends TableName, C extends Column<T>>(table: T, query: Query<T, C>): string[] {
  const all = columnNames(table);
  const wanted: ReadonlySet<string> = new Set(query.columns ?? all);
  for (const name of wanted) kindOf(table, name);
  for (const { column } of query.order ?? [])
    if (!wanted.has(column)) throw new TypeError(`Rows are ordered by ${table}.${column}, which is not read.`);
  return all.filter((name) => wanted.has(name));
}

/** The columns given by any of the rows; a column whose value is undefined counts as not given. */
export function givenColumns<T extends TableName>(table: T, rows: readonly Partial<Row<T>>[]): string[] {
  const given = new Set<string>();
  for (const row of rows) for (const [name, value] of Object.entries(row)) if (value !== undefined) given.add(name);
  for (const name of given) kindOf(table, name);
  return [...given];
}

/**
 * The columns of an upsert. @throws {TypeError} when its rows differ in them: a column left out of one row would be set back to
 * its default by the statement, which nobody means.
 */
export function upsertColumns<T extends TableName>(table: T, rows: readonly Partial<Row<T>>[]): string[] {
  const columns = givenColumns(table, rows);
  for (const row of rows)
    if (columns.some((name) => (row as Record<string, unknown>)[name] === undefined))
      throw new TypeError(`The rows of one upsert into ${table} must give the same columns.`);
  return columns;
}
