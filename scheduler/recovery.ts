import { isOutage } from '../database/availability.ts';
import type { Records } from '../database/records.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';

export interface RecoveryDependencies {
  records: Records;
  clock: Clock;
  logger: Logger;
  queue: {
    enqueueAll(runIds: readonly string[]): Promise<void>;
    /** Whether jobs wait for a slot of this process already. */
    busy: boolean;
  };
  /** Between two sweeps, in milliseconds. */
  sweepEveryMs: number;
  /** How long a lease is valid, in milliseconds. */
  validMs: number;
  /** Whether a worker is known to be gone, so that its leases need not be waited for. */
  isGone(worker: string): boolean;
}

/** A queued run is left to its own job this long before the sweep wakes a worker for it. */
const QUEUED_GRACE_MS = 10_000;
/** How often it is asked whether workers are gone. */
const LOOK_EVERY_MS = 1_000;
const MOST_RUNS = 500;
/** While jobs wait for a slot here: the oldest only, whose worker may be gone. Others come when there is room. */
const MOST_RUNS_BUSY = 50;

/** Finds runs that nobody works on: queued without a job, held by a worker whose lease has lapsed, or by one that is gone. */
export class Recovery {
  readonly #deps: RecoveryDependencies;
  readonly #looking: Repeater;
  #sweptAt = Number.NEGATIVE_INFINITY;
  /** When the database last answered, and since when it does again after it did not. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #outage: { beganAt: number; endedAt: number | null } | null = null;

  constructor(dependencies: RecoveryDependencies) {
    const { clock, sweepEveryMs } = dependencies;
    this.#deps = dependencies;
    this.#looking = new Repeater(() => this.#look(), {
      clock,
      everyMs: Math.min(LOOK_EVERY_MS, sweepEveryMs),
      onFailure: (error) => this.#note(error),
    });
  }

  start(): void {
    this.#looking.start();
  }

  stop(): Promise<void> {
    return this.#looking.stop();
  }

  /**
   * At a start of the only process on its database: whatever was running was running in a process that is gone, so its leases
   * are void and its runs go on at once.
   */
  async voidLeases(): Promise<void> {
    const workers = await this.#deps.records.call<string[]>('running_workers', {});
    await this.#deps.records.call('release_workers', { p_workers: workers });
  }

  /**
   * Wakes workers for the runs that need one; returns how many.
   * @param queuedGraceMs how long a queued run is left alone
   */
  async runOnce(queuedGraceMs: number = QUEUED_GRACE_MS): Promise<number> {
    const { records, clock, queue } = this.#deps;
    const ids = await records.call<string[]>('runs_to_requeue', {
      p_now: iso(this.#lapsedBefore()),
      p_queued_before: iso(clock.now() - queuedGraceMs),
      p_limit: queue.busy ? MOST_RUNS_BUSY : MOST_RUNS,
    });
    await queue.enqueueAll(ids);
    return ids.length;
  }

  /** Takes the runs of workers that are known to be gone and wakes others for them; returns how many. */
  async takeFromGone(): Promise<number> {
    const { records, queue, logger } = this.#deps;
    const workers = await records.call<string[]>('running_workers', {});
    const gone = workers.filter((worker) => this.#deps.isGone(worker));
    if (gone.length === 0) return 0;
    const ids = await records.call<string[]>('release_workers', { p_workers: gone });
    logger.info('Workers are gone; their runs go on at those that are left', {
      workers: gone.length,
      runs: ids.length,
    });
    await queue.enqueueAll(ids);
    return ids.length;
  }

  async #look(): Promise<void> {
    try {
      await this.takeFromGone();
    } finally {
      await this.#sweep();
    }
    this.#answeredAt = this.#deps.clock.now();
    if (this.#outage) this.#outage.endedAt ??= this.#answeredAt;
  }

  #note(error: unknown): void {
    if (!isOutage(error)) this.#deps.logger.warn('The sweep for lost runs failed; it will be repeated', { error });
    else if (this.#outage?.endedAt !== null) this.#outage = { beganAt: this.#answeredAt, endedAt: null };
  }

  /**
   * Leases that lapsed before this instant are taken from their workers. While the database was away nobody could renew, so
   * that for the length of a lease after it only those count that had lapsed before.
   */
  #lapsedBefore(): number {
    const nowMs = this.#deps.clock.now();
    if (!this.#outage) return nowMs;
    const { beganAt, endedAt } = this.#outage;
    if (endedAt === null || nowMs - endedAt < this.#deps.validMs) return Math.max(0, beganAt);
    this.#outage = null;
    return nowMs;
  }

  async #sweep(): Promise<void> {
    const { clock, sweepEveryMs } = this.#deps;
    const sinceMs = clock.now() - this.#sweptAt;
    if (sinceMs >= 0 && sinceMs < sweepEveryMs) return;
    await this.runOnce(Number.isFinite(this.#sweptAt) ? QUEUED_GRACE_MS : 0);
    this.#sweptAt = clock.now();
  }
}
