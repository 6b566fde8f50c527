import type { Records } from '../database/records.ts';
import type { Iso, NotificationRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { isOutage } from '../database/availability.ts';
import { messageOf } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import { type Logger, redactValue } from '../shared/logger.ts';
import { waitBefore } from '../shared/retry.ts';
import { DeliveryError, type Notifier } from './notifier.ts';

/** How long a message stays with a sender that does not say what became of it; longer than any delivery may take. */
export const LEASE_MS = 120_000;
/** How long one delivery may take in all. */
const DELIVERY_MS = 60_000;
/** Waits of 10 s, 20 s, 40 s … up to an hour. */
const RETRY = { attempts: Number.POSITIVE_INFINITY, delay: 10_000, backoff: 'exponential' } as const;
/** After this time a message is no news any more. */
export const GIVE_UP_AFTER_MS = 72 * 3_600_000;
/** How often a lane looks when nobody wakes it. */
const POLL_MS = 5_000;
const MOST_REMEMBERED = 10_000;

export interface LaneDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
  redact: (text: string) => string;
  /** Deliveries at the same time. */
  concurrency: number;
}

/** The messages of one notifier, on their own: a dead mail server holds up nothing but mail. */
export class Lane {
  readonly #notifier: Notifier;
  readonly #deps: LaneDependencies;
  /** Delivered, but the database did not hear of it: if such a message is claimed again, it is only marked. */
  readonly #delivered = new Map<string, Iso>();
  readonly #stop = new AbortController();
  #nap = new AbortController();
  #woken = false;
  #stopping = false;
  #loop: Promise<void> | null = null;

  constructor(notifier: Notifier, dependencies: LaneDependencies) {
    this.#notifier = notifier;
    this.#deps = dependencies;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks for messages now rather than at the next round. */
  wake(): void {
    this.#woken = true;
    this.#nap.abort();
  }

  /**
   * Claims what is due, delivers it and writes down what became of it. Returns how many messages were claimed.
   * @throws when the database cannot be reached to claim
   */
  async runOnce(): Promise<number> {
    const { records, clock, concurrency } = this.#deps;
    const claimed = await records.call<NotificationRow[]>('outbox_claim', {
      p_notifier: this.#notifier.notifier,
      p_now: iso(clock.now()),
      p_lease_ms: LEASE_MS,
      p_limit: concurrency,
    });
    await Promise.all(claimed.map((row) => this.#handle(row)));
    return claimed.length;
  }

  /** Ends the loop. Deliveries under way may take `graceMs` longer; what is cut off then is delivered again later. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.wake();
    const done = new AbortController();
    const grace = this.#deps.clock.sleep(graceMs, done.signal).then(
      () => this.#stop.abort(new Error('The service stops.')),
      () => undefined,
    );
    await this.#loop;
    done.abort();
    await grace;
    await this.#notifier.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#woken = false;
      this.#nap = new AbortController();
      let claimed = 0;
      try {
        claimed = await this.runOnce();
      } catch (error) {
        this.#warn('The outbox could not be read', { notifier: this.#notifier.notifier, error });
      }
      if (claimed === 0 && !this.#woken) await this.#rest();
    }
  }

  /** A database that is away has been told of once, by the event `database.lost`; a lane would repeat it at every look. */
  #warn(message: string, fields: { error: unknown; [field: string]: unknown }): void {
    if (!isOutage(fields.error)) this.#deps.logger.warn(message, fields);
  }

  async #rest(): Promise<void> {
    try {
      await this.#deps.clock.sleep(POLL_MS, this.#nap.signal);
    } catch {
      // Woken.
    }
  }

  async #handle(row: NotificationRow): Promise<void> {
    try {
      const before = this.#delivered.get(row.id);
      if (before !== undefined) return await this.#markSent(row, before);
      const error = await this.#deliver(row);
      if (!error) await this.#markSent(row, iso(this.#deps.clock.now()));
      else await this.#markFailed(row, error);
    } catch (error) {
      // The row stays leased; when the lease has passed it is claimed again.
      this.#warn('What became of a message could not be written down', { notificationId: row.id, error });
    }
  }

  async #deliver(row: NotificationRow): Promise<DeliveryError | null> {
    const { clock, redact } = this.#deps;
    const late = new AbortController();
    const done = new AbortController();
    const deadline = clock.sleep(DELIVERY_MS, done.signal).then(
      () => late.abort(new Error('The delivery took too long.')),
      () => undefined,
    );
    try {
      const facts = redactValue(row.facts, redact) as NotificationRow['facts'];
      await this.#notifier.deliver({ ...row, facts }, AbortSignal.any([late.signal, this.#stop.signal]));
      return null;
    } catch (error) {
      if (error instanceof DeliveryError) return error;
      return new DeliveryError('NOTIFICATION_FAULT', 'retry', messageOf(error), { cause: error });
    } finally {
      done.abort();
      await deadline;
    }
  }

  async #markSent(row: NotificationRow, sentAt: Iso): Promise<void> {
    this.#delivered.set(row.id, sentAt);
    const [oldest] = this.#delivered.keys();
    if (this.#delivered.size > MOST_REMEMBERED && oldest !== undefined) this.#delivered.delete(oldest);
    const marked = await this.#mark(row, { status: 'sent', sent_at: sentAt, last_error: null });
    this.#delivered.delete(row.id);
    if (marked) this.#deps.events.emit('notification.sent', factsFor(row));
  }

  async #markFailed(row: NotificationRow, error: DeliveryError): Promise<void> {
    const { clock, events, logger, redact } = this.#deps;
    const reason = redact(`${error.code}: ${error.message}`).slice(0, 1_000);
    const wait = Math.max(waitBefore(RETRY, row.attempts), error.retryAfterMs);
    const next = clock.now() + wait;
    const expired = next > Date.parse(row.created_at) + GIVE_UP_AFTER_MS;
    if (error.outcome === 'retry' && !expired) {
      await this.#mark(row, { status: 'pending', next_attempt_at: iso(next), last_error: reason });
      logger.warn('A message was not delivered and will be tried again', {
        ...factsFor(row),
        error: reason,
        nextAttemptAt: iso(next),
      });
      return;
    }
    const status = error.outcome === 'retry' ? 'failed' : error.outcome;
    const marked = await this.#mark(row, {
      status,
      last_error: expired ? `Given up after 72 hours. ${reason}` : reason,
    });
    if (marked) events.emit('notification.failed', { ...factsFor(row), status, code: error.code, error: reason });
  }

  /** Conditional on the claim: a sender whose lease has passed to another writes nothing. */
  async #mark(row: NotificationRow, patch: Partial<NotificationRow>): Promise<boolean> {
    const changed = await this.#deps.records.update('notifications', { ...patch, lease_until_at: null }, [
      { column: 'id', op: 'eq', value: row.id },
      { column: 'status', op: 'eq', value: 'sending' },
      { column: 'attempts', op: 'eq', value: row.attempts },
    ]);
    return changed.length > 0;
  }
}

function factsFor(row: NotificationRow) {
  return {
    notificationId: row.id,
    kind: row.kind,
    notifier: row.notifier,
    attempt: row.attempts,
    ...(row.campaign_id === null ? {} : { campaignId: row.campaign_id }),
    ...(row.run_id === null ? {} : { runId: row.run_id }),
  };
}
