import type { Clock } from '../shared/clock.ts';

/**
 * What `work` resolves to, if it does so within `ms` milliseconds; else its signal aborts and this rejects, whether or not the work heeds
 * its signal. Rejects with the reason of `signal` as soon as that aborts.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const late = new Error(`no answer within ${ms / 1_000} s`);
  const working = work(either);
  working.catch(() => undefined);
  const tooLate = clock.sleep(ms, either).then(() => Promise.reject(late));
  try {
    return await Promise.race([working, tooLate]);
  } finally {
    ended.abort(late);
  }
}
