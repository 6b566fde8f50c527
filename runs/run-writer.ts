import { FencedError, type Journal, type JournalBegin, type JournalEntry } from '../database/journal.ts';
import type { CrossedThreshold, JournalAnswer } from '../database/journal-lists.ts';
import { RecordsError } from '../database/records.ts';
import type { JsonObject, RunRow, StepRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { EventType } from '../shared/events.ts';

export interface RunEvent {
  type: EventType;
  data: JsonObject;
}

/** Something to write about a run; the writer adds who writes, when, and after which event. */
export type RunRecord = Pick<JournalEntry, 'run' | 'steps' | 'charges' | 'outbox' | 'decisions' | 'pause'> & {
  events: RunEvent[];
};

/** An attempt to begin; see {@link JournalBegin}. */
export type RunBegin = JournalBegin & { event: RunEvent };

interface Pending {
  record: RunRecord;
  begin?: RunBegin;
  /** Written though something before it was refused. */
  inSpite?: boolean;
  resolve(answer: JournalAnswer): void;
  reject(error: unknown): void;
}

export interface RunWriterDependencies {
  journal: Journal;
  clock: Clock;
  /** Ends the waiting for a database that is away. */
  patience: AbortSignal;
  /** Called with each event once it is durable. */
  onEvent(event: RunEvent): void;
  /** Called when the run is found to be somebody else's: whatever is still under way for it has to end. */
  onFenced(error: FencedError): void;
  /** Called with budget thresholds that were crossed; their events are durable. */
  onThresholds(crossed: CrossedThreshold[]): void;
}

const RETRY_MS = 500;

/**
 * Writes what happens in one run, one entry after the other, because each names the event after which it comes. What was said
 * since the last entry shares the next one: the end of a step and the beginning of its successor are one commit.
 */
export class RunWriter {
  readonly #deps: RunWriterDependencies;
  readonly #run: Pick<RunRow, 'id' | 'campaign_id' | 'epoch'>;
  #seq: number;
  #pending: Pending[] = [];
  #draining = false;
  /** Why something that nobody waited for was refused. */
  #failure: { error: unknown; steps: readonly StepRow[] } | null = null;

  constructor(run: RunRow, dependencies: RunWriterDependencies) {
    this.#run = run;
    this.#seq = run.event_seq;
    this.#deps = dependencies;
  }

  /** Steps whose rows the database refused though they had ended; their rows there are those of before. */
  get refusedSteps(): readonly StepRow[] {
    return this.#failure?.steps ?? [];
  }

  /**
   * Resolves once the record is durable. While the database is away it is tried again until patience ends.
   * @throws {FencedError} when another worker has the run
   * @throws {RecordsError} when the database refuses the record. One that gives the run another status is not written, and rejects,
   *   also when one that was given to `later` before it was refused
   */
  async write(record: RunRecord): Promise<void> {
    await this.#add(record);
  }

  /**
   * Writes with the next record, or by itself in the next turn of the event loop. If it is refused, no attempt begins after it and
   * the run does not end: the `begin` or `write` that would do so tells.
   */
  later(record: RunRecord): void {
    this.#pending.push({
      record,
      resolve: () => undefined,
      reject: (error) => {
        const steps = [...(this.#failure?.steps ?? []), ...(record.steps ?? [])];
        this.#failure = { error: this.#failure?.error ?? error, steps };
      },
    });
    setImmediate(() => void this.#drain());
  }

  /**
   * Writes that an attempt begins, and resolves with whether it may.
   * @throws as {@link write}
   */
  async begin(begin: RunBegin): Promise<JournalAnswer['begin']> {
    return (await this.#add({ events: [] }, { begin })).begin;
  }

  /** The last word about a run whose record is refused; what was refused before does not hold it up. */
  async writeInSpite(record: RunRecord): Promise<void> {
    this.#failure = null;
    await this.#add(record, { inSpite: true });
  }

  #add(record: RunRecord, more: Pick<Pending, 'begin' | 'inSpite'> = {}): Promise<JournalAnswer> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ record, resolve, reject, ...more });
      void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    while (this.#pending.length > 0) await this.#settle(this.#nextGroup());
    this.#draining = false;
  }

  /** What shares an entry: everything up to the first beginning, unless the same step's row is written twice by that. */
  #nextGroup(): Pending[] {
    const group: Pending[] = [];
    const steps = new Set<string>();
    for (const item of this.#pending) {
      const names = [...(item.record.steps ?? []), ...(item.begin ? [item.begin.step] : [])].map((step) => step.name);
      if (names.some((name) => steps.has(name))) break;
      for (const name of names) steps.add(name);
      group.push(item);
      if (item.begin || item.record.run?.status) break;
    }
    this.#pending = this.#pending.slice(group.length);
    return group;
  }

  async #settle(group: Pending[]): Promise<void> {
    try {
      // Nothing is built on what is not on record.
      if (this.#failure && group.some(goesOn)) throw this.#failure.error;
      const answer = await this.#commit(group);
      for (const item of group) item.resolve(answer);
    } catch (error) {
      if (group.length > 1 && error instanceof RecordsError) for (const item of group) await this.#settle([item]);
      else {
        if (error instanceof FencedError) this.#deps.onFenced(error);
        for (const item of group) item.reject(error);
      }
    }
  }

  async #commit(group: readonly Pending[]): Promise<JournalAnswer> {
    const { clock, journal, patience } = this.#deps;
    const { id, campaign_id, epoch } = this.#run;
    const begin = group.at(-1)?.begin;
    const record = merged(group.map((item) => item.record));
    const at = iso(clock.now());
    const whose = { run_id: id, campaign_id, epoch, at, after_seq: this.#seq };
    const answer = await this.#patiently(
      (again) => journal.commit({ ...record, ...whose, ...(begin ? { begin } : {}), ...(again ? { again } : {}) }),
      clock,
      patience,
    );
    const events = [...record.events, ...(begin && answer.begin === 'made' ? [begin.event] : [])];
    this.#seq = answer.seq ?? this.#seq + events.length + answer.alerts.length;
    for (const event of events) this.#deps.onEvent(event);
    if (answer.alerts.length > 0) this.#deps.onThresholds(answer.alerts);
    return answer;
  }

  async #patiently<T>(task: (again: boolean) => Promise<T>, clock: Clock, patience: AbortSignal): Promise<T> {
    for (let again = false; ; again = true) {
      try {
        return await task(again);
      } catch (error) {
        if (!isRetryable(error)) throw error;
        await clock.sleep(RETRY_MS, patience);
      }
    }
  }
}

/** Whether an attempt begins with this, or the run changes hands or ends. */
function goesOn({ begin, record, inSpite }: Pending): boolean {
  return !inSpite && (begin !== undefined || record.run?.status !== undefined);
}

/** One record that says what several say, in their order. */
function merged(records: readonly RunRecord[]): RunRecord {
  const [first, ...others] = records;
  if (first && others.length === 0) return first;
  const all: RunRecord = { events: [], steps: [], charges: [], outbox: [], decisions: [] };
  for (const record of records) {
    all.events.push(...record.events);
    all.steps?.push(...(record.steps ?? []));
    all.charges?.push(...(record.charges ?? []));
    all.outbox?.push(...(record.outbox ?? []));
    all.decisions?.push(...(record.decisions ?? []));
    if (record.run) all.run = { ...all.run, ...record.run };
    if (record.pause) all.pause = record.pause;
  }
  return all;
}

function isRetryable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}
