import { isOutage } from '../database/availability.ts';
import type { Claims } from '../database/claims.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';
import { leaseTimes } from './lease.ts';

export interface LeaseKeeperDependencies {
  clock: Clock;
  logger: Logger;
  claims: Claims;
  leaseMs: number;
  /** Ids of the runs that this process holds. */
  held(): string[];
  /** A run is this worker's until the given instant, in milliseconds since the epoch. */
  onKept(runId: string, untilMs: number): void;
  /** A run was taken by another worker, or ended behind our back. */
  onLost(runId: string): void;
  onCancel(runId: string, reason: string): void;
}

/** How often the record is asked whether a run is to be cancelled; cancelling takes effect everywhere within a second. */
const LOOK_MS = 500;

/** Keeps the leases of this process alive and hears of cancellations asked for elsewhere. */
export class LeaseKeeper {
  readonly #deps: LeaseKeeperDependencies;
  readonly #looking: Repeater;
  #renewedAt = 0;

  constructor(dependencies: LeaseKeeperDependencies) {
    const { clock, logger } = dependencies;
    this.#deps = dependencies;
    this.#looking = new Repeater(() => this.runOnce(), {
      clock,
      everyMs: LOOK_MS,
      onFailure: (error) => isOutage(error) || logger.warn('Leases could not be renewed', { error }),
    });
  }

  start(): void {
    this.#looking.start();
  }

  stop(): Promise<void> {
    return this.#looking.stop();
  }

  /** One look: renews leases when it is time, and passes on cancellations. */
  async runOnce(): Promise<void> {
    const { claims, clock, leaseMs } = this.#deps;
    const held = this.#deps.held();
    if (held.length === 0) return;
    const sinceMs = clock.now() - this.#renewedAt;
    // The clock may have been set back.
    if (sinceMs < 0 || sinceMs >= leaseTimes(leaseMs).renewEveryMs) await this.#renew(held);
    for (const { run_id: runId, reason } of await claims.cancelled()) this.#deps.onCancel(runId, reason ?? 'cancelled');
  }

  async #renew(held: readonly string[]): Promise<void> {
    const { claims, clock } = this.#deps;
    const at = clock.now();
    const { lost, untilMs } = await claims.renew(held);
    this.#renewedAt = at;
    const still = new Set(this.#deps.held());
    for (const id of held)
      if (!lost.has(id)) this.#deps.onKept(id, untilMs);
      else if (still.has(id)) this.#deps.onLost(id);
  }
}
