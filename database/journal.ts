import { AppError, DatabaseUnavailableError } from '../shared/errors.ts';
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

interface Pending {
  entry: JournalEntry;
  resolve(): void;
  reject(error: unknown): void;
}

/** One statement carries at most this many entries, so that a burst does not build one huge statement. */
const MOST_ENTRIES = 500;

/**
 * Group commit: while one statement is on its way, the entries of all other runs gather and share the next one. A
 * promise resolves only after its entry is committed. Entries are written in the order in which they came.
 */
export class Journal {
  readonly #records: Records;
  #pending: Pending[] = [];
  #writing = false;

  constructor(records: Records) {
    this.#records = records;
  }

  /**
   * Resolves when the entry is durable.
   * @throws {FencedError} when the run is not the writer's any more
   * @throws {DatabaseUnavailableError} when nothing is known; the same entry may be committed again
   */
  commit(entry: JournalEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ entry, resolve, reject });
      if (!this.#writing) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, MOST_ENTRIES);
      try {
        const answers = await this.#records.call<{ accepted: boolean }[]>('journal_commit', {
          p_entries: batch.map((item) => item.entry),
        });
        for (const [index, item] of batch.entries())
          if (answers[index]?.accepted) item.resolve();
          else item.reject(new FencedError(item.entry.run_id));
      } catch (error) {
        await this.#afterFailure(batch, error);
      }
    }
    this.#writing = false;
  }

  /** A statement that the database refused is written entry by entry, so that one bad entry does not take the others along. */
  async #afterFailure(batch: Pending[], error: unknown): Promise<void> {
    if (error instanceof DatabaseUnavailableError || batch.length === 1) {
      for (const item of batch) item.reject(error);
      return;
    }
    for (const item of batch) {
      try {
        const [answer] = await this.#records.call<{ accepted: boolean }[]>('journal_commit', {
          p_entries: [item.entry],
        });
        if (answer?.accepted) item.resolve();
        else item.reject(new FencedError(item.entry.run_id));
      } catch (single) {
        item.reject(single);
      }
    }
  }
}
