import { performance } from 'node:perf_hooks';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';
import { isOutage } from './availability.ts';
import type { Records } from './records.ts';

const ASK_EVERY_MS = 10_000;
/** A difference above this is worth telling, in milliseconds. */
const NOTABLE_MS = 1_000;
/** Below this, a new answer says no more than the old one: both are as exact as the way to the database is fast. */
const EXACT_MS = 20;

/**
 * The database's time, so that machines whose clocks differ agree on leases, schedules and budgets. Between two answers it goes
 * on by this process' steady clock, so that a clock that is set forward or back on this machine changes nothing.
 */
export class ServerClock implements Clock {
  readonly #base: Clock;
  readonly #records: Records;
  readonly #logger: Logger;
  readonly #asking: Repeater;
  /** Database time at the origin of the steady clock. */
  #originMs: number;

  constructor({ base, records, logger }: { base: Clock; records: Records; logger: Logger }) {
    this.#base = base;
    this.#records = records;
    this.#logger = logger;
    this.#originMs = base.now() - performance.now();
    this.#asking = new Repeater(() => this.ask(), {
      clock: base,
      everyMs: ASK_EVERY_MS,
      firstAfterMs: ASK_EVERY_MS,
      onFailure: (error) => isOutage(error) || logger.warn('The time of the database could not be read', { error }),
    });
  }

  now(): number {
    return Math.round(this.#originMs + performance.now());
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#base.sleep(ms, signal);
  }

  /** Asks again from time to time. */
  start(): void {
    this.#asking.start();
  }

  stop(): Promise<void> {
    return this.#asking.stop();
  }

  /**
   * Asks the database for its time, taking the answer as made half-way between asking and hearing.
   * @throws {DatabaseUnavailableError}
   */
  async ask(): Promise<void> {
    const asked = performance.now();
    const serverMs = await this.#records.call<number>('server_time', {});
    const heard = performance.now();
    const originMs = serverMs - (asked + heard) / 2;
    const byMs = Math.round(originMs - this.#originMs);
    if (Math.abs(byMs) <= Math.max(EXACT_MS, heard - asked)) return;
    this.#originMs = originMs;
    if (Math.abs(byMs) >= NOTABLE_MS)
      this.#logger.warn("This machine's clock differs from the database's, which is used", { byMs });
  }
}
