import type { Fault, Work } from './engine-options.ts';

/** Pseudo-random numbers from 0 to 1 by the mulberry32 recurrence: the same row for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Faults that a second try gets over. */
const PASSING: readonly Fault[] = [
  { kind: 'status', status: 503, retryAfter: '1', error: 'Overloaded, try again' },
  { kind: 'status', status: 500, error: 'Worker crashed' },
  { kind: 'early_end' },
];

/** Decides what each call meets: what a test scripted first, then a share of passing faults. */
export class FaultPlan {
  readonly #scripted = new Map<Work, Fault[]>();
  readonly #random: () => number;
  readonly #share: number;

  constructor(share: number, seed: number) {
    this.#share = share;
    this.#random = seededRandom(seed);
  }

  script(work: Work, faults: readonly Fault[]): void {
    this.#scripted.set(work, [...(this.#scripted.get(work) ?? []), ...faults]);
  }

  next(work: Work): Fault | undefined {
    const scripted = this.#scripted.get(work)?.shift();
    if (scripted) return scripted;
    const draw = this.#random();
    if (draw >= this.#share) return undefined;
    // A send that broke off is not repeated by itself, so only a refusal passes there.
    return work === 'send' ? PASSING[0] : PASSING[Math.floor((draw / this.#share) * PASSING.length)];
  }
}
