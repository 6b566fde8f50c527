import type { Records } from '../database/records.ts';
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { EventBus } from '../shared/events.ts';
import { type Logger, makeRedactor, secretsOf } from '../shared/logger.ts';
import { Lane } from './lane.ts';
import type { Notifier } from './notifier.ts';
import { makeNotifiers } from './registry.ts';

export interface DispatcherDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
  config: Config;
  /** Replaces the registry's. */
  notifiers?: Notifier[];
  /** Deliveries at the same time, a notifier. */
  concurrency?: number;
}

/**
 * Sends the outbox. At least once: a message that was sent when the service died before writing so is sent again, with the
 * same id. Any number of dispatchers may share one outbox.
 */
export class Dispatcher {
  readonly #lanes: Lane[];
  readonly #graceMs: number;

  constructor(dependencies: DispatcherDependencies) {
    const { records, clock, events, logger, config } = dependencies;
    const redact = makeRedactor(secretsOf(config));
    const concurrency = dependencies.concurrency ?? 4;
    const notifiers = dependencies.notifiers ?? makeNotifiers(config, clock);
    this.#lanes = notifiers.map(
      (notifier) => new Lane(notifier, { records, clock, events, logger, redact, concurrency }),
    );
    this.#graceMs = config.stopGraceMs;
  }

  start(): void {
    for (const lane of this.#lanes) lane.start();
  }

  /** One round of every notifier; returns how many messages were taken up. Rejects when the outbox cannot be read. */
  async runOnce(): Promise<number> {
    const counts = await Promise.all(this.#lanes.map((lane) => lane.runOnce()));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** New messages may be in the outbox: look now. */
  wake(): void {
    for (const lane of this.#lanes) lane.wake();
  }

  /** Ends when deliveries under way are done, or cut off after the configured grace. */
  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.stop(this.#graceMs)));
  }
}
