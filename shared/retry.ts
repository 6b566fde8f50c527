import pRetry from 'p-retry';
import type { Clock } from './clock.ts';

export interface RetryPolicy {
  /** How many times in all, the first included; 1 or more. */
  attempts: number;
  /** Milliseconds before the second attempt. */
  delay: number;
  /** `exponential` doubles the delay each time, up to an hour. */
  backoff: 'fixed' | 'exponential';
}

export interface RetryHooks {
  clock: Clock;
  signal: AbortSignal;
  /** Ends a wait between two attempts in the signal's stead, and nothing else; the retrying then rejects with its reason. */
  hurry?: AbortSignal;
  /** Whether this failure may succeed when tried again. */
  isRetryable(error: Error): boolean;
  /** A wait that the other side asked for (`Retry-After`), in milliseconds; the longer of the two waits is kept. */
  retryAfter?(error: Error): number | undefined;
}

const LONGEST_DELAY_MS = 3_600_000;

/**
 * The wait in milliseconds before attempt `attempt + 1`: the policy's own, or what the other side asked for if that is longer.
 */
export function waitBefore(policy: RetryPolicy, attempt: number, askedMs = 0): number {
  const factor = policy.backoff === 'exponential' ? 2 ** Math.min(attempt - 1, 30) : 1;
  return Math.max(askedMs, Math.min(policy.delay * factor, Math.max(LONGEST_DELAY_MS, policy.delay)));
}

/**
 * Runs `task` until it succeeds, fails for good, or the attempts are used up; rejects with the last error, or with the
 * signal's reason once it aborts. p-retry counts and decides; the waiting is done by the injected clock.
 */
export async function withRetry<T>(
  task: (attempt: number) => Promise<T>,
  policy: RetryPolicy,
  hooks: RetryHooks,
): Promise<T> {
  return pRetry(task, {
    retries: policy.attempts - 1,
    minTimeout: 0,
    factor: 1,
    signal: hooks.signal,
    shouldRetry: async ({ error, attemptNumber }) => {
      if (!hooks.isRetryable(error)) return false;
      const wait = waitBefore(policy, attemptNumber, hooks.retryAfter?.(error));
      await hooks.clock.sleep(wait, hooks.hurry ?? hooks.signal);
      return true;
    },
  });
}
