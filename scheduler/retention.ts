import { isOutage } from '../database/availability.ts';
import { KEY_KEPT_MS } from '../database/queries/idempotency.ts';
import { ANSWERS_KEPT_MS } from '../database/queries/model-answers.ts';
import type { Records } from '../database/records.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';

export interface RetentionDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
  config: Pick<Config, 'retention'>;
}

/** A database function that removes what is old, and when that is. */
interface Kind {
  name: string;
  prune: string;
  /** null: kept for ever. */
  maxAgeMs: number | null;
  /** A call removes this many at most. */
  batch: number;
}

const DAY_MS = 86_400_000;
const PRUNE_EVERY_MS = 3_600_000;
/** A start has more urgent things to do. */
const FIRST_AFTER_MS = 180_000;
const BATCH = 500;
/** A run goes with its steps, events and budget entries. */
const RUN_BATCH = 50;
/** Between batches, so that the work that somebody waits for goes first. */
const PAUSE_MS = 250;

/**
 * Removes what has grown old, once an hour, in small batches: see the functions `prune_…` of the database for what is still
 * needed and stays. Replicas may do so side by side. Campaigns and their totals are never touched.
 */
export class Retention {
  readonly #deps: RetentionDependencies;
  readonly #kinds: readonly Kind[];
  readonly #rounds: Repeater;

  constructor(dependencies: RetentionDependencies) {
    this.#deps = dependencies;
    this.#kinds = kindsOf(dependencies.config.retention);
    const { clock, logger } = dependencies;
    this.#rounds = new Repeater((stopping) => this.runOnce(stopping), {
      clock,
      everyMs: PRUNE_EVERY_MS,
      firstAfterMs: FIRST_AFTER_MS,
      // Of a database that is away, `database.lost` tells once.
      onFailure: (error) => logger.debug('Old records could not be removed while the database is away', { error }),
    });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /**
   * One round over every kind. Returns how many of each were removed, those without any left out. A kind that fails is logged
   * and hinders no other.
   * @param stopping ends the round after the batch under way
   * @throws {DatabaseUnavailableError} when the database is away
   */
  async runOnce(stopping: AbortSignal = new AbortController().signal): Promise<Record<string, number>> {
    const { events, logger } = this.#deps;
    const pruned: Record<string, number> = {};
    try {
      for (const kind of this.#kinds)
        try {
          await this.#prune(kind, stopping, (count) => (pruned[kind.name] = (pruned[kind.name] ?? 0) + count));
        } catch (error) {
          if (isOutage(error)) throw error;
          logger.warn('Old records could not be removed; the next round tries again', { kind: kind.name, error });
        }
    } finally {
      if (Object.keys(pruned).length > 0) events.emit('records.pruned', pruned);
    }
    return pruned;
  }

  async #prune({ prune, maxAgeMs, batch }: Kind, stopping: AbortSignal, removed: (count: number) => void) {
    if (maxAgeMs === null) return;
    const { records, clock } = this.#deps;
    const before = iso(clock.now() - maxAgeMs);
    while (!stopping.aborted) {
      const count = await records.call<number | null>(prune, { p_before: before, p_limit: batch });
      if (count === null) return;
      // A batch of runs that are all needed still removes none, and others may come after it.
      if (count > 0) removed(count);
      await clock.sleep(PAUSE_MS, stopping).catch(() => undefined);
    }
  }
}

function kindsOf({ runsDays, eventsDays, firesDays, notificationsDays, sessionsDays }: Config['retention']): Kind[] {
  const kind = (name: string, maxAgeMs: number, batch = BATCH): Kind => ({
    name,
    prune: `prune_${name}`,
    maxAgeMs: maxAgeMs === 0 ? null : maxAgeMs,
    batch,
  });
  return [
    kind('run_events', eventsDays * DAY_MS),
    kind('runs', runsDays * DAY_MS, RUN_BATCH),
    kind('approvals', runsDays * DAY_MS),
    kind('tool_calls', runsDays * DAY_MS),
    kind('fires', firesDays * DAY_MS),
    kind('decisions', firesDays * DAY_MS),
    kind('budget_periods', firesDays * DAY_MS),
    kind('budget_alerts', firesDays * DAY_MS),
    kind('notifications', notificationsDays * DAY_MS),
    kind('alert_episodes', notificationsDays * DAY_MS),
    kind('sessions', sessionsDays * DAY_MS),
    kind('idempotency_keys', KEY_KEPT_MS),
    kind('model_answers', ANSWERS_KEPT_MS),
  ];
}
