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
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const end = performance.now() + ms;
      let timer: NodeJS.Timeout;
      const abort = () => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const wait = (leftMs: number) => {
        timer = setTimeout(
          () => {
            const left = end - performance.now();
            if (left >= LONGEST_TIMER_MS) return wait(left);
            signal?.removeEventListener('abort', abort);
            resolve();
          },
          Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS),
        );
      };
      signal?.addEventListener('abort', abort, { once: true });
      wait(ms);
    });
  },
};

/** ISO 8601 in UTC with milliseconds, the form in which times cross every boundary of the service. */
export function iso(ms: number): string {
  // Asked for many times within a millisecond when many runs are under way.
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}

let lastMs = 0;
let lastText = new Date(0).toISOString();
