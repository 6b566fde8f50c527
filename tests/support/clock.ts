import type { Clock } from '../../shared/clock.ts';

interface Sleeper {
  wakeAt: number;
  wake(): void;
}

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #now: number;
  #sleepers: Sleeper[] = [];
  #watchers: (() => void)[] = [];

  constructor(start: string | number = '2026-01-05T09:00:00.000Z') {
    this.#now = typeof start === 'number' ? start : Date.parse(start);
  }

  now(): number {
    return this.#now;
  }

  /** How many waits are pending. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      if (ms <= 0) return resolve();
      const abort = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason as Error);
      };
      const sleeper: Sleeper = {
        wakeAt: this.#now + ms,
        wake: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#sleepers.push(sleeper);
      for (const watch of this.#watchers.splice(0)) watch();
    });
  }

  /** Resolves as soon as somebody waits on this clock. */
  async untilSleeping(count = 1): Promise<void> {
    while (this.#sleepers.length < count) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  /** Moves time forward, waking whoever is due, in order, and lets their continuations run. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#sleepers.filter((sleeper) => sleeper.wakeAt <= end).toSorted((a, b) => a.wakeAt - b.wakeAt)[0];
      if (!next) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.wakeAt);
      next.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = end;
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Sets the time without waking anybody, as a machine's clock does when it is corrected. */
  set(time: string | number): void {
    this.#now = typeof time === 'number' ? time : Date.parse(time);
  }
}
