import { isOutage } from '../database/availability.ts';
import type { Records } from '../database/records.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';

export interface LeaseKeeperDependencies {
  records: Records;
  clock: Clock;
  logger: Logger;
  worker: string;
  leaseMs: number;
  /** Ids of the runs that this process holds. */
  held(): string[];
  /** A run was taken by another worker, or ended behind our back. */
  onLost(runId: string): void;
  onCancel(runId: string, reason: string): void;
}

/** How often the record is asked whether a run is to be cancelled; cancelling takes effect everywhere within a second. */
const LOOK_MS = 500;

/** Keeps the leases of this process alive and hears of cancellations asked for elsewhere. */
export class LeaseKeeper {
  readonly #deps: LeaseKeeperDependencies;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #renewedAt = 0;

  constructor(dependencies: LeaseKeeperDependencies) {
    this.#deps = dependencies;
  }

  start(): void {
    this.#running = this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** One look: renews leases when a third of their time has passed, and passes on cancellations. */
  async runOnce(): Promise<void> {
    const { records, clock, worker, leaseMs } = this.#deps;
    const held = this.#deps.held();
    if (held.length === 0) return;
    if (clock.now() - this.#renewedAt >= leaseMs / 3) {
      const mine = await records.call<{ run_id: string; cancel: boolean; reason: string | null }[]>('renew_leases', {
        p_worker: worker,
        p_run_ids: held,
        p_now: iso(clock.now()),
        p_lease_ms: leaseMs,
      });
      this.#renewedAt = clock.now();
      const kept = new Set(mine.map((row) => row.run_id));
      const still = new Set(this.#deps.held());
      for (const id of held) if (!kept.has(id) && still.has(id)) this.#deps.onLost(id);
    }
    const cancelled = await records.select('campaign_runs', {
      where: [
        { column: 'id', op: 'in', value: held },
        { column: 'status', op: 'eq', value: 'running' },
        { column: 'cancel_requested_at', op: 'is_not', value: null },
      ],
    });
    for (const run of cancelled) this.#deps.onCancel(run.id, run.cancel_reason ?? 'cancelled');
  }

  async #loop(): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!this.#stop.signal.aborted) {
      try {
        await this.runOnce();
      } catch (error) {
        if (!isOutage(error)) logger.warn('Leases could not be renewed', { error });
      }
      await clock.sleep(LOOK_MS, this.#stop.signal).catch(() => undefined);
    }
  }
}
