import { type Clock, iso } from '../shared/clock.ts';
import { Batch } from './batch.ts';
import type { Records } from './records.ts';
import type { JsonObject, RunRow, StepRow } from './tables.ts';

/** What a claim gives to the worker: all it needs to go on. */
export interface ClaimedRun {
  run: RunRow;
  /** In the order of the definition. */
  steps: StepRow[];
  /** The campaign's present terms of budget, and the version at which they were read. */
  campaign: { version: number; timezone: string; budget: JsonObject };
  /** Of steps without an estimate of their own: the largest of their last known costs in micro-dollars, null without any. */
  history: { [step: string]: number | null };
}

/** A renewal: which runs are not this worker's any more, and until when the others are, in milliseconds since the epoch. */
export interface Renewal {
  lost: ReadonlySet<string>;
  untilMs: number;
}

export interface ClaimsDependencies {
  records: Records;
  clock: Clock;
  /** Who claims. */
  worker: string;
  /** How long a claim holds without being renewed. */
  validMs: number;
}

/** Of one statement: each answers with a whole definition, and reading them all must not hold up the event loop. */
const MOST_RUNS = 100;

/** Takes runs for one worker and keeps them; claims that are made at the same time share a statement. */
export class Claims {
  readonly #deps: ClaimsDependencies;
  readonly #claims: Batch<string, ClaimedRun | null>;
  /** Asked for at this moment: of two that ask in this process, the second would get the same claim. */
  readonly #asked = new Set<string>();

  constructor(dependencies: ClaimsDependencies) {
    const { records, clock, worker, validMs } = dependencies;
    this.#deps = dependencies;
    const claim = async (runIds: string[]) => {
      const claimed = await records.call<ClaimedRun[]>('claim_runs', {
        p_run_ids: runIds,
        p_worker: worker,
        p_now: iso(clock.now()),
        p_lease_ms: validMs,
      });
      const byId = new Map(claimed.map((each) => [each.run.id, each]));
      return runIds.map((id) => byId.get(id) ?? null);
    };
    this.#claims = new Batch(claim, { most: MOST_RUNS });
  }

  /**
   * Raises the run's epoch and returns it, with the event that tells of it written; null when it is not to be had: ended, held by
   * another worker, or waiting for an earlier run.
   * @throws {DatabaseUnavailableError} when nothing is known; the lease, if it was given, lapses
   */
  async take(runId: string): Promise<ClaimedRun | null> {
    if (this.#asked.has(runId)) return null;
    this.#asked.add(runId);
    try {
      return await this.#claims.add(runId);
    } finally {
      this.#asked.delete(runId);
    }
  }

  /**
   * Says that this worker is still there. The time counts from before the asking, so that nobody believes in a lease longer than
   * the record does.
   * @throws {DatabaseUnavailableError} when nothing is known
   */
  async renew(runIds: readonly string[]): Promise<Renewal> {
    const { records, clock, worker, validMs } = this.#deps;
    const nowMs = clock.now();
    const lost = await records.call<string[]>('keep_runs', {
      p_worker: worker,
      p_run_ids: runIds.toSorted(),
      p_now: iso(nowMs),
      p_lease_ms: validMs,
    });
    return { lost: new Set(lost), untilMs: nowMs + validMs };
  }

  /** The runs of this worker that somebody asked to stop, with the reason given. @throws {DatabaseUnavailableError} */
  async cancelled(): Promise<{ run_id: string; reason: string | null }[]> {
    return this.#deps.records.call('cancels_of', { p_worker: this.#deps.worker });
  }
}
