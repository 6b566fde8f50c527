import type { JournalEntry, OutboxRow } from '../../database/journal.ts';
import type { CampaignRow, RunRow } from '../../database/tables.ts';
import { newId } from '../../shared/ids.ts';
import type { TestDatabase } from './postgres.ts';

export interface Admission {
  admitted: boolean;
  run_id?: string;
  reason?: string;
  active_run_id?: string;
}

export const AT = '2026-01-05T09:00:00.000Z';
export const LEASE_MS = 30_000;
export const later = (ms: number) => new Date(Date.parse(AT) + ms).toISOString();
export const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

export function message(campaignId: string, extra: Partial<OutboxRow> = {}): OutboxRow {
  return {
    id: newId(),
    dedupe_key: newId(),
    kind: 'run.failed',
    notifier: 'email',
    recipient: 'a@example.test',
    campaign_id: campaignId,
    run_id: null,
    facts: {},
    ...extra,
  };
}

/** The database functions about runs, called by name at the moment {@link AT} unless another is given. */
export class RunCalls {
  readonly database: TestDatabase;

  constructor(database: TestDatabase) {
    this.database = database;
  }

  call<R>(name: string, args: Record<string, unknown>): Promise<R> {
    return this.database.records.call<R>(name, args);
  }

  async campaign(overlap = 'skip'): Promise<string> {
    const id = newId();
    await this.database.records.insert('campaigns', [{ id, name: 'Campaign', config: { overlap, steps: [] } }]);
    return id;
  }

  start(campaignId: string, force = false): Promise<Admission> {
    const run = { id: newId(), trigger: 'manual', steps_total: 1 };
    return this.call('start_run', { p_campaign_id: campaignId, p_run: run, p_force: force, p_at: AT });
  }

  /** Starts a run that must be admitted, and returns its id. */
  async started(campaignId: string): Promise<string> {
    const { run_id: runId } = await this.start(campaignId);
    if (!runId) throw new Error('the run was not admitted');
    return runId;
  }

  claim(runId: string, worker: string, at = AT): Promise<RunRow | null> {
    return this.call('claim_run', { p_run_id: runId, p_worker: worker, p_now: at, p_lease_ms: LEASE_MS });
  }

  renew(
    worker: string,
    runIds: string[],
    at = AT,
  ): Promise<{ run_id: string; cancel: boolean; reason: string | null }[]> {
    return this.call('renew_leases', { p_worker: worker, p_run_ids: runIds, p_now: at, p_lease_ms: LEASE_MS });
  }

  cancel(runId: string, reason = 'asked to'): Promise<{ found: boolean; status?: string }> {
    return this.call('cancel_run', { p_run_id: runId, p_reason: reason, p_at: AT });
  }

  commit(...entries: Partial<JournalEntry>[]): Promise<{ accepted: boolean; event_seq?: number }[]> {
    return this.call('journal_commit', { p_entries: entries.map((entry) => ({ at: AT, ...entry })) });
  }

  /** A run of its own campaign that a worker holds. */
  async heldRun(worker = 'one', overlap = 'skip') {
    const campaignId = await this.campaign(overlap);
    const runId = await this.started(campaignId);
    const claimed = await this.claim(runId, worker);
    if (!claimed) throw new Error('the run was not to be had');
    return { campaignId, runId, epoch: claimed.epoch, seq: claimed.event_seq };
  }

  async run(id: string): Promise<RunRow> {
    const [row] = await this.database.records.select('campaign_runs', {
      where: [{ column: 'id', op: 'eq', value: id }],
    });
    return row as RunRow;
  }

  async campaignRow(id: string): Promise<CampaignRow> {
    const [row] = await this.database.records.select('campaigns', { where: [{ column: 'id', op: 'eq', value: id }] });
    return row as CampaignRow;
  }

  /** `<number> <type>` of each of the run's events, in order. */
  async eventsOf(runId: string): Promise<string[]> {
    const events = await this.database.records.select('run_events', {
      where: [{ column: 'run_id', op: 'eq', value: runId }],
      order: [{ column: 'seq' }],
    });
    return events.map((event) => `${event.seq} ${event.type}`);
  }

  /** How often Postgres had to break a ring of waits in this database. */
  async deadlocks(): Promise<number> {
    const { rows } = await this.database.pool.query<{ deadlocks: number }>(
      'select pg_stat_force_next_flush(), deadlocks from pg_stat_database where datname = current_database()',
    );
    return rows[0]?.deadlocks ?? -1;
  }
}
