import type { NotificationRow } from '../database/tables.ts';

/** One way to tell people. One file each, one line in registry.ts. */
export interface Notifier {
  readonly notifier: NotificationRow['notifier'];
  /**
   * Delivers one message; resolves once the other side has taken it.
   * @param signal aborts when the message takes too long or the service stops
   * @throws {DeliveryError} saying what is to become of the message; any other error counts as `retry`
   */
  deliver(row: NotificationRow, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface DeliveryErrorOptions {
  cause?: unknown;
  /** A wait that the other side asked for, in milliseconds. */
  retryAfterMs?: number;
}

/**
 * A message was not delivered. `retry`: it may go through later; `failed`: it was refused for good; `undeliverable`: this
 * service is not set up to send it. The message is shown to operators and must hold no secret.
 */
export class DeliveryError extends Error {
  readonly code: string;
  readonly outcome: 'retry' | 'failed' | 'undeliverable';
  readonly retryAfterMs: number;

  constructor(
    code: string,
    outcome: 'retry' | 'failed' | 'undeliverable',
    message: string,
    options: DeliveryErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DeliveryError';
    this.code = code;
    this.outcome = outcome;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}
