import { setTimeout as delay } from 'node:timers/promises';

/** Where time comes from. Everything that waits or asks the time takes one, so tests can move it by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A timer holds 2^31 - 1 ms at most; longer waits are cut into pieces. */
const LONGEST_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    let left = Math.max(0, ms);
    do {
      const piece = Math.min(left, LONGEST_TIMER_MS);
      try {
        await delay(piece, undefined, signal ? { signal } : {});
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
      left -= piece;
    } while (left > 0);
  },
};

/** ISO 8601 in UTC with milliseconds, the form in which times cross every boundary of the service. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
