import { type Clock, systemClock } from '../shared/clock.ts';
import type { EngineConcurrency } from '../shared/config-lists.ts';
import { FairSlots, type Release } from '../shared/fair-slots.ts';

/** For so long at most, in milliseconds, in each time of this length: a crowd that does not end must not hold up those under way. */
const FAVOUR_MS = 10_000;
const EVERY_MS = 60_000;

/**
 * Lets at most so many calls at a time through to each engine, by origin, in turns over campaigns. A slow engine so holds up
 * only the steps that need it. While many runs are to start it lets none through, so that what is due starts first.
 */
export class EngineGate {
  readonly #concurrency: EngineConcurrency;
  readonly #clock: Clock;
  readonly #slots = new Map<string, FairSlots>();
  /** When those that are to start were favoured first in the present minute, in milliseconds since the epoch. */
  #favouredAt = Number.NEGATIVE_INFINITY;
  /** Ends the time in which they are. */
  #favour: AbortController | null = null;
  #isShut = false;

  constructor(concurrency: EngineConcurrency, clock: Clock = systemClock) {
    this.#concurrency = concurrency;
    this.#clock = clock;
  }

  /** A place at the engine of this address, or null when all are taken. */
  tryEnter(url: string): Release | null {
    return this.#at(url).tryTake();
  }

  /**
   * Resolves with a place when it is the campaign's turn.
   * @throws the signal's reason when it aborts first
   */
  enter(url: string, campaignId: string, signal: AbortSignal): Promise<Release> {
    return this.#at(url).take(campaignId, signal);
  }

  /** Says whether more runs are to start than can be started at a time. */
  crowd(isThere: boolean): void {
    if (isThere === (this.#favour !== null)) return;
    this.#favour?.abort();
    this.#favour = isThere ? new AbortController() : null;
    const now = this.#clock.now();
    const sinceMs = now - this.#favouredAt;
    // The clock may have been set back.
    if (sinceMs < 0 || sinceMs >= EVERY_MS) this.#favouredAt = now;
    const leftMs = this.#favouredAt + FAVOUR_MS - now;
    this.#shut(isThere && leftMs > 0);
    const over = () => this.#shut(false);
    if (this.#favour && leftMs > 0) void this.#clock.sleep(leftMs, this.#favour.signal).then(over, () => undefined);
  }

  #shut(shut: boolean): void {
    this.#isShut = shut;
    for (const [origin, slots] of this.#slots) slots.resize(this.#placesAt(origin));
  }

  #placesAt(origin: string): number {
    const places = this.#concurrency.of[origin] ?? this.#concurrency.usual;
    return this.#isShut ? 0 : places;
  }

  #at(url: string): FairSlots {
    // An address that is none is refused by the call itself.
    const origin = URL.parse(url)?.origin ?? '';
    const known = this.#slots.get(origin);
    if (known) return known;
    const slots = new FairSlots(this.#placesAt(origin));
    this.#slots.set(origin, slots);
    return slots;
  }
}
