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

  constructor(dependencies: RecoveryDependencies) {
    const { clock, logger, sweepEveryMs } = dependencies;
    this.#deps = dependencies;
    this.#looking = new Repeater(() => this.#look(), {
      clock,
      everyMs: Math.min(LOOK_EVERY_MS, sweepEveryMs),
      onFailure: (error) =>
        isOutage(error) || logger.warn('The sweep for lost runs failed; it will be repeated', { error }),
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
      p_now: iso(clock.now()),
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
    logger.info('Workers are gone; their runs go on here', { workers: gone.length, runs: ids.length });
    await queue.enqueueAll(ids);
    return ids.length;
  }

  async #look(): Promise<void> {
    try {
      await this.takeFromGone();
    } finally {
      await this.#sweep();
    }
  }

  async #sweep(): Promise<void> {
    const { clock, sweepEveryMs } = this.#deps;
    const sinceMs = clock.now() - this.#sweptAt;
    if (sinceMs >= 0 && sinceMs < sweepEveryMs) return;
    await this.runOnce(Number.isFinite(this.#sweptAt) ? QUEUED_GRACE_MS : 0);
    this.#sweptAt = clock.now();
  }
}
