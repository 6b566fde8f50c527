import type { Clock } from '../shared/clock.ts';
import { FairSlots, type Release } from '../shared/fair-slots.ts';
import { type ModelCall, ModelError } from './model.ts';

const WINDOW_MS = 60_000;
/** After a 429 that names no wait; doubled with each one that follows. */
const FIRST_PAUSE_MS = 1_000;
/** However long the provider wants it: after a minute, one call may look whether it still does. */
const LONGEST_PAUSE_MS = 60_000;

export interface LimitOptions {
  /** Calls at a time, for each model. */
  concurrency: number;
  /** Calls begun within any minute, for each model. */
  perMinute: number;
  clock: Clock;
}

export interface LaneState {
  running: number;
  /** In line for a place. */
  waiting: number;
  /** Until when the provider wants to be left alone; null when it does not. */
  pausedUntilMs: number | null;
}

/** A call that has not gone out yet, and how it is told that its time will not do. */
interface InLine {
  deadline: number;
  end: AbortController;
}

/** The calls of one model. */
class Lane {
  readonly #options: LimitOptions;
  readonly #places: FairSlots;
  /** One at a time looks at the clock, so that those behind it keep their order. */
  readonly #gate = new FairSlots(1);
  readonly #line = new Set<InLine>();
  #begun: number[] = [];
  #running = 0;
  #pausedUntil = 0;
  #refusals = 0;

  constructor(options: LimitOptions) {
    this.#options = options;
    this.#places = new FairSlots(options.concurrency);
  }

  async run<T>(group: string, { signal, deadline, onSent }: ModelCall, ask: () => Promise<T>): Promise<T> {
    const leave = await (deadline === undefined
      ? this.#admit(group, signal, Infinity)
      : this.#admitInTime(group, signal, deadline));
    this.#running += 1;
    try {
      onSent?.();
      const result = await ask();
      this.#refusals = 0;
      return result;
    } catch (error) {
      if (error instanceof ModelError) this.#heed(error);
      throw error;
    } finally {
      this.#running -= 1;
      leave();
    }
  }

  state(): LaneState {
    const paused = this.#pausedUntil > this.#options.clock.now();
    return {
      running: this.#running,
      waiting: this.#places.waiting + this.#gate.waiting,
      pausedUntilMs: paused ? this.#pausedUntil : null,
    };
  }

  async #admitInTime(group: string, signal: AbortSignal, deadline: number): Promise<Release> {
    this.#refuseTooLong(deadline);
    const me: InLine = { deadline, end: new AbortController() };
    this.#line.add(me);
    try {
      return await this.#admit(group, AbortSignal.any([signal, me.end.signal]), deadline);
    } finally {
      this.#line.delete(me);
    }
  }

  async #admit(group: string, signal: AbortSignal, deadline: number): Promise<Release> {
    const leave = await this.#places.take(group, signal);
    try {
      await this.#turn(group, signal, deadline);
      return leave;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Waits until this minute has room and the provider is to be asked again, and takes the room. */
  async #turn(group: string, signal: AbortSignal, deadline: number): Promise<void> {
    const { clock } = this.#options;
    const pass = await this.#gate.take(group, signal);
    try {
      for (let wait = this.#wait(); wait > 0; wait = this.#wait()) {
        this.#refuseTooLong(deadline);
        await clock.sleep(wait, signal);
      }
      this.#begun.push(clock.now());
    } finally {
      pass();
    }
  }

  /** @throws {ModelError} where it is known that the turn does not come in time */
  #refuseTooLong(deadline: number): void {
    const wait = this.#wait();
    if (wait > 0 && this.#options.clock.now() + wait >= deadline) throw tooLong(wait);
  }

  #wait(): number {
    const now = this.#options.clock.now();
    this.#begun = this.#begun.filter((begun) => begun > now - WINDOW_MS);
    const oldest = this.#begun[this.#begun.length - this.#options.perMinute];
    return Math.max(this.#pausedUntil - now, oldest === undefined ? 0 : oldest + WINDOW_MS - now);
  }

  /** Every wait that the provider asks for is kept; a 429 that names none has one of ours. */
  #heed({ code, retryAfterMs }: ModelError): void {
    const isRefusal = code === 'MODEL_RATE_LIMITED';
    if (!isRefusal && retryAfterMs === undefined) return;
    const own = FIRST_PAUSE_MS * 2 ** Math.min(this.#refusals, 16);
    if (isRefusal) this.#refusals += 1;
    this.#pause(retryAfterMs ?? own);
  }

  #pause(ms: number): void {
    const until = this.#options.clock.now() + Math.min(ms, LONGEST_PAUSE_MS);
    this.#pausedUntil = Math.max(this.#pausedUntil, until);
    const wait = this.#pausedUntil - this.#options.clock.now();
    for (const { deadline, end } of this.#line) if (deadline <= this.#pausedUntil) end.abort(tooLong(wait));
  }
}

const tooLong = (waitMs: number) =>
  new ModelError('MODEL_RATE_LIMITED', `The next call may go out in ${waitMs} ms, which is later than it is of use.`, {
    retryable: true,
    costMicros: 0,
    retryAfterMs: waitMs,
  });

/** How hard each model is worked. Tasks that wait get their turns one each, so that a task with hundreds of calls holds up no other. */
export class ModelLimits {
  readonly #options: LimitOptions;
  readonly #lanes = new Map<string, Lane>();

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  /**
   * Makes a call when it is its turn; a failure that names a wait, and every 429, pauses its model for it.
   * @param group whose turn it is, such as a task
   * @throws what `ask` throws; MODEL_RATE_LIMITED as soon as the turn is known to come too late; the signal's reason when it aborts
   *   while waiting
   */
  run<T>(model: string, group: string, call: ModelCall, ask: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(model) ?? new Lane(this.#options);
    this.#lanes.set(model, lane);
    return lane.run(group, call, ask);
  }

  state(): Record<string, LaneState> {
    return Object.fromEntries([...this.#lanes].map(([model, lane]) => [model, lane.state()]));
  }
}
