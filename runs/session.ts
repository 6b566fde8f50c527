import type { CampaignDefinition } from '../campaigns/definition.ts';
import { flattenSteps } from '../campaigns/definition.ts';
import { FencedError, type Journal, type JournalEntry } from '../database/journal.ts';
import type { Records } from '../database/records.ts';
import type { JsonObject, RunRow, StepRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { EventBus, EventType } from '../shared/events.ts';
import { ServiceStoppingError, type StopReason } from './reasons.ts';

export interface SessionDependencies {
  records: Records;
  journal: Journal;
  clock: Clock;
  events: EventBus;
  worker: string;
  leaseMs: number;
}

/** Something to write about a run; the session adds who writes, when, and after which event. */
export type RunRecord = Omit<JournalEntry, 'run_id' | 'epoch' | 'at' | 'after_seq' | 'events'> & {
  events: { type: EventType; data: JsonObject }[];
};

const WRITE_RETRY_MS = 500;

/** One worker's hold on one run: its rows, its fencing token, the signal that ends the hold, and the way to write. */
export class RunSession {
  readonly run: RunRow;
  readonly definition: CampaignDefinition;
  /** Step rows by name, as last written. */
  readonly steps: Map<string, StepRow>;
  readonly #dependencies: SessionDependencies;
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  #seq: number;
  #lastWrite: Promise<void> = Promise.resolve();
  /** Ends the waiting for a database that is away, when the run belongs to somebody else or the service must go. */
  readonly #patience = new AbortController();

  private constructor(dependencies: SessionDependencies, run: RunRow, steps: readonly StepRow[]) {
    this.#dependencies = dependencies;
    this.run = run;
    this.#seq = run.event_seq;
    this.definition = run.definition as unknown as CampaignDefinition;
    this.steps = new Map(steps.map((step) => [step.name, step]));
  }

  /** Takes the run for this worker; null when it is not to be had. */
  static async claim(dependencies: SessionDependencies, runId: string): Promise<RunSession | null> {
    const claimed = await dependencies.records.call<{ id: string } | null>('claim_run', {
      p_run_id: runId,
      p_worker: dependencies.worker,
      p_now: iso(dependencies.clock.now()),
      p_lease_ms: dependencies.leaseMs,
    });
    if (!claimed) return null;
    const [run] = await dependencies.records.select('campaign_runs', {
      where: [{ column: 'id', op: 'eq', value: runId }],
    });
    if (!run || run.claimed_by !== dependencies.worker) return null;
    const steps = await dependencies.records.select('run_steps', {
      where: [{ column: 'run_id', op: 'eq', value: runId }],
      order: [{ column: 'position' }],
    });
    return new RunSession(dependencies, run, steps);
  }

  get id(): string {
    return this.run.id;
  }

  /** Aborts when this worker has to let go of the run. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts when there is no point in waiting for the database any longer. */
  get patience(): AbortSignal {
    return this.#patience.signal;
  }

  get stopReason(): StopReason | undefined {
    return this.#stop.signal.aborted ? (this.#stop.signal.reason as StopReason) : undefined;
  }

  /** Whether the service wants to stop: no further step or attempt starts, the ones in flight may end. */
  get stopping(): boolean {
    return this.#hurry.signal.aborted;
  }

  /** Aborts when there is no time to wait for another attempt. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /** The service wants to stop: what is in flight may end, what only waits is handed over. */
  stopSoon(): void {
    this.#hurry.abort(new ServiceStoppingError());
  }

  /** Ends the step in flight. What happened is still written. */
  abort(reason: StopReason): void {
    this.#stop.abort(reason);
    if (reason instanceof FencedError) this.#patience.abort(reason);
  }

  /** Gives up on writes that the database does not take; the rows stay as they are and another start goes on from them. */
  giveUpWriting(reason: StopReason): void {
    this.#patience.abort(reason);
  }

  /** Step rows in the order of the definition. */
  orderedSteps(): StepRow[] {
    return [...this.steps.values()].toSorted((a, b) => a.position - b.position);
  }

  /** Where a step stands in the definition. */
  positionOf(name: string): number {
    return flattenSteps(this.definition.steps).findIndex(({ step }) => step.name === name);
  }

  /**
   * Writes and returns once it is durable, then tells the event bus. While the database is away it tries again until the
   * session ends; nothing goes on before its record is safe. The writes of one run go one after the other, because each
   * names the event after which it comes.
   * @throws {FencedError} when another worker has the run
   */
  write(record: RunRecord): Promise<void> {
    for (const step of record.steps ?? []) this.steps.set(step.name, step);
    if (record.run) Object.assign(this.run, record.run);
    const turn = this.#lastWrite.then(() => this.#commit(record));
    this.#lastWrite = turn.catch(() => undefined);
    return turn;
  }

  async #commit(record: RunRecord): Promise<void> {
    const { clock, journal, events } = this.#dependencies;
    const entry: JournalEntry = {
      ...record,
      run_id: this.id,
      epoch: this.run.epoch,
      at: iso(clock.now()),
      after_seq: this.#seq,
    };
    for (;;) {
      try {
        await journal.commit(entry);
        break;
      } catch (error) {
        if (!isRetryable(error)) throw error;
        await clock.sleep(WRITE_RETRY_MS, this.#patience.signal);
      }
    }
    this.#seq += record.events.length;
    const facts = { campaignId: this.run.campaign_id, runId: this.id, campaign: this.definition.name };
    for (const event of record.events) events.emit(event.type, { ...facts, ...event.data });
  }

  /** Shows something that is not worth a row. */
  show(type: EventType, data: JsonObject): void {
    this.#dependencies.events.emit(type, {
      campaignId: this.run.campaign_id,
      runId: this.id,
      campaign: this.definition.name,
      ...data,
    });
  }
}

function isRetryable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}
