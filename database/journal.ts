import { AppError } from '../shared/errors.ts';
import { Batch } from './batch.ts';
import type { DecisionRow, Iso, JsonObject, RunRow, StepRow } from './tables.ts';
import type { Records } from './records.ts';

/** A message for the outbox, as the SQL function `outbox_put` takes it. */
export interface OutboxRow {
  id: string;
  dedupe_key: string;
  kind: string;
  notifier: 'email' | 'slack';
  recipient: string;
  campaign_id: string;
  run_id: string | null;
  facts: JsonObject;
  episode_key?: string;
  repeat_after_ms?: number;
  closes_episodes?: boolean;
}

/** What one worker has to say about one run at one moment; written whole or not at all. */
export interface JournalEntry {
  run_id: string;
  /** The writer's fencing token. */
  epoch: number;
  at: Iso;
  /** Number of the last event that the writer knows of; makes a repeated write harmless. */
  after_seq: number;
  run?: Partial<RunRow>;
  steps?: StepRow[];
  events: { type: string; data: JsonObject }[];
  outbox?: OutboxRow[];
  decisions?: Omit<DecisionRow, 'campaign_id' | 'run_id' | 'decided_at'>[];
  /** Puts the campaign to sleep until its budget period turns. */
  pause?: { reason: string; resume_at: Iso };
}

/** The run has another owner by now, or has ended: nothing was written, and the worker must let go of it. */
export class FencedError extends AppError {
  constructor(runId: string) {
    super('RUN_FENCED', 409, `Run ${runId} is no longer held by this worker.`);
    this.name = 'FencedError';
  }
}

/**
 * Group commit: while one statement is on its way, the entries of all other runs gather and share the next one. A
 * promise resolves only after its entry is committed. Entries are written in the order in which they came.
 */
export class Journal {
  readonly #entries: Batch<JournalEntry, { accepted: boolean }>;

  constructor(records: Records) {
    this.#entries = new Batch((entries) => records.call('journal_commit', { p_entries: entries }));
  }

  /**
   * Resolves when the entry is durable.
   * @throws {FencedError} when the run is not the writer's any more
   * @throws {DatabaseUnavailableError} when nothing is known; the same entry may be committed again
   * @throws {RecordsError} when the database refuses this entry
   */
  async commit(entry: JournalEntry): Promise<void> {
    const { accepted } = await this.#entries.add(entry);
    if (!accepted) throw new FencedError(entry.run_id);
  }
}
