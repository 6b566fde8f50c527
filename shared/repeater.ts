import type { Clock } from './clock.ts';

export interface RepeaterOptions {
  clock: Clock;
  /** From the end of one round to the start of the next, in milliseconds. */
  everyMs: number;
  /** Before the first round, in milliseconds; the first round comes at once when not given. */
  firstAfterMs?: number;
  /** Told what a round failed with, for the log; the next round comes as if it had not. Must not throw. */
  onFailure: (error: unknown) => void;
}

/**
 * A background loop: does one round of work again and again until it is stopped, whatever becomes of a round.
 *
 * @example
 * const sweep = new Repeater(() => recovery.runOnce(), { clock, everyMs: 5_000, onFailure: (error) => logger.warn('…', { error }) });
 * sweep.start();
 * await sweep.stop();
 */
export class Repeater {
  readonly #round: (stopping: AbortSignal) => Promise<unknown>;
  readonly #options: RepeaterOptions;
  readonly #stopping = new AbortController();
  #nap = new AbortController();
  #woken = false;
  #loop: Promise<void> | null = null;

  /** @param round one round of work; its signal aborts when the loop is stopped, for work that itself waits */
  constructor(round: (stopping: AbortSignal) => Promise<unknown>, options: RepeaterOptions) {
    this.#round = round;
    this.#options = options;
  }

  /** Begins; a second call changes nothing. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Makes the next round come now; during a round, right after it. */
  wake(): void {
    this.#woken = true;
    this.#nap.abort();
  }

  /** Ends the loop for good. Resolves when the round under way has ended; never rejects for what a round failed with. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#nap.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { everyMs, firstAfterMs = 0, onFailure } = this.#options;
    const { signal } = this.#stopping;
    if (firstAfterMs > 0) await this.#sleep(firstAfterMs);
    while (!signal.aborted) {
      // Before the round: what wakes during it may concern what the round has passed already.
      this.#woken = false;
      try {
        await this.#round(signal);
      } catch (error) {
        onFailure(error);
      }
      await this.#sleep(everyMs);
    }
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#stopping.signal.aborted) return;
    const { signal } = (this.#nap = new AbortController());
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
