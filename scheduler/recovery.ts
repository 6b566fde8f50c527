import { isOutage } from '../database/availability.ts';
import type { Records } from '../database/records.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';

export interface RecoveryDependencies {
  records: Records;
  clock: Clock;
  logger: Logger;
  queue: {
    enqueueAll(runIds: readonly string[]): Promise<void>;
    /** Whether jobs wait for a slot of this process already. */
    busy: boolean;
  };
}

/** A queued run is left to its own job this long before the sweep wakes a worker for it. */
const QUEUED_GRACE_MS = 10_000;
const SWEEP_EVERY_MS = 5_000;
const MOST_RUNS = 500;
/** While jobs wait for a slot here: the oldest only, whose worker may be gone. Others come when there is room. */
const MOST_RUNS_BUSY = 50;

/** Finds runs that nobody works on: queued without a job, or held by a worker whose lease has lapsed. */
export class Recovery {
  readonly #deps: RecoveryDependencies;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(dependencies: RecoveryDependencies) {
    this.#deps = dependencies;
  }

  start(): void {
    this.#running = this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /**
   * At a start of the only process on its database: whatever was running was running in a process that is gone, so its leases
   * are void and its runs go on at once.
   */
  async voidLeases(): Promise<void> {
    await this.#deps.records.update('campaign_runs', { lease_until_at: null }, [
      { column: 'status', op: 'eq', value: 'running' },
    ]);
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

  async #loop(): Promise<void> {
    const { clock, logger } = this.#deps;
    let grace = 0;
    while (!this.#stop.signal.aborted) {
      try {
        await this.runOnce(grace);
        grace = QUEUED_GRACE_MS;
      } catch (error) {
        if (!isOutage(error)) logger.warn('The sweep for lost runs failed; it will be repeated', { error });
      }
      await clock.sleep(SWEEP_EVERY_MS, this.#stop.signal).catch(() => undefined);
    }
  }
}
