import type { Clock } from '../../shared/clock.ts';
import type { ModelCall } from '../model.ts';

/** Made once, because an error is dear to make; nobody sees them. */
const LATE = new Error('The judge was waited for long enough.');
const ENDED = new Error('The judgement has ended.');

/** How long the judge is waited for. */
export interface Patience {
  clock: Clock;
  /** Milliseconds since the epoch. */
  untilMs: number;
}

/** Until when one judgement is of use. */
export interface JudgeCall extends Pick<ModelCall, 'signal' | 'onSent'> {
  patience?: Patience;
}

/** The time of one judgement: it ends with the step, or by itself a little earlier. */
export class JudgeTime {
  readonly signal: AbortSignal;
  readonly call: ModelCall;
  readonly onSent: (() => void) | undefined;
  readonly #late = new AbortController();
  readonly #done = new AbortController();
  readonly #timer: Promise<void>;
  readonly #patience: Patience | undefined;

  constructor({ signal, patience, onSent }: JudgeCall) {
    this.signal = signal;
    this.onSent = onSent;
    this.#patience = patience;
    this.call = { signal: AbortSignal.any([signal, this.#late.signal]) };
    if (patience) this.call.deadline = patience.untilMs;
    this.#timer = patience ? this.#watch(patience) : Promise.resolve();
  }

  /** Whether the judge was waited for in vain. */
  get isOver(): boolean {
    return this.#late.signal.aborted;
  }

  /**
   * Waits before a question is asked again; without a clock there is no wait but the model layer's own.
   * @returns false, at once where that is known, when the time is over by then or `end` aborts first
   */
  async wait(ms: number, end: AbortSignal): Promise<boolean> {
    if (!this.#patience) return !end.aborted;
    const { clock, untilMs } = this.#patience;
    if (clock.now() + ms >= untilMs) return false;
    try {
      await clock.sleep(ms, AbortSignal.any([this.call.signal, end]));
      return true;
    } catch {
      return false;
    }
  }

  async end(): Promise<void> {
    this.#done.abort(ENDED);
    await this.#timer;
  }

  async #watch({ clock, untilMs }: Patience): Promise<void> {
    try {
      await clock.sleep(untilMs - clock.now(), this.#done.signal);
      this.#late.abort(LATE);
    } catch {
      // It was done in time.
    }
  }
}
