import type { EngineConcurrency } from '../shared/config-lists.ts';
import { FairSlots, type Release } from '../shared/fair-slots.ts';

/** The part of an engine's places that is left while others start. */
const NARROWED = 8;

/**
 * Lets at most so many calls at a time through to each engine, by origin, in turns over campaigns. A slow engine so holds up
 * only the steps that need it.
 */
export class EngineGate {
  readonly #concurrency: EngineConcurrency;
  readonly #slots = new Map<string, FairSlots>();
  #narrow = false;

  constructor(concurrency: EngineConcurrency) {
    this.#concurrency = concurrency;
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

  /** Lets only a part of the calls through while that is so, so that what is due can start first. */
  narrow(narrow: boolean): void {
    this.#narrow = narrow;
    for (const [origin, slots] of this.#slots) slots.resize(this.#placesAt(origin));
  }

  #placesAt(origin: string): number {
    const places = this.#concurrency.of[origin] ?? this.#concurrency.usual;
    return this.#narrow ? Math.ceil(places / NARROWED) : places;
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
