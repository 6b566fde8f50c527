import { AppError } from '../shared/errors.ts';
import { Batch } from './batch.ts';
import { type JournalAnswer, journalArguments, journalAnswers, type JournalException } from './journal-lists.ts';
import type { Iso, JsonObject, RunRow, StepRow, UnchainedDecision } from './tables.ts';
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

export interface JournalEvent {
  type: string;
  data: JsonObject;
}

/** What an attempt has cost: settles its hold, or is entered as it is when nothing was held. */
export interface JournalCharge {
  key: string;
  /** Micro-dollars; null: nobody knows, what was held is charged. */
  amount: number | null;
  at: Iso;
  campaign_id: string;
  run_id: string;
  step_name: string;
  /** The counters it falls into, as the SQL function `budget_reserve` takes them; left out where the attempt was held. */
  periods?: JsonObject[];
}

/**
 * An attempt that begins. It is written only if the campaign is still at the version by which its budget was read, and if the
 * budget admits what is to be held.
 */
export interface JournalBegin {
  step: StepRow;
  event: JournalEvent;
  /** Of the campaign. */
  version: number;
  /** As the SQL function `budget_reserve` takes it; left out when there is nothing to hold. */
  hold?: JsonObject;
}

/** What one worker has to say about one run at one moment; written whole or not at all, save for what `begin` says. */
export interface JournalEntry {
  run_id: string;
  campaign_id: string;
  /** The writer's fencing token. */
  epoch: number;
  at: Iso;
  /** Number of the last event that the writer knows of; makes a repeated write harmless. */
  after_seq: number;
  /** Set when the answer to an earlier try of the same entry was lost, so that it may be written already. */
  again?: boolean;
  run?: Partial<RunRow>;
  steps?: StepRow[];
  events: JournalEvent[];
  charges?: JournalCharge[];
  begin?: JournalBegin;
  outbox?: OutboxRow[];
  decisions?: Omit<UnchainedDecision, 'campaign_id' | 'run_id' | 'decided_at'>[];
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

/** Of one statement, so that making it ready does not hold up the event loop. */
const MOST_ENTRIES = 250;

/**
 * Group commit: while one statement is on its way, the entries of all other runs gather and share the next one. A
 * promise resolves only after its entry is committed. Entries of one run must be written one after the other.
 */
export class Journal {
  readonly #entries: Batch<JournalEntry, JournalAnswer>;

  constructor(records: Records) {
    const write = async (entries: JournalEntry[]) => {
      const exceptions = await records.call<JournalException[]>('journal_write', journalArguments(entries));
      return journalAnswers(entries, exceptions);
    };
    this.#entries = new Batch(write, { most: MOST_ENTRIES });
  }

  /**
   * Resolves when the entry is durable, with what became of its beginning attempt and its charges.
   * @throws {FencedError} when the run is not the writer's any more
   * @throws {DatabaseUnavailableError} when nothing is known; the same entry may be committed again
   * @throws {RecordsError} when the database refuses this entry
   */
  async commit(entry: JournalEntry): Promise<JournalAnswer> {
    const answer = await this.#entries.add(entry);
    if (!answer.accepted) throw new FencedError(entry.run_id);
    return answer;
  }
}
