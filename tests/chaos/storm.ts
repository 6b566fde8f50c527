import { setTimeout as delay } from 'node:timers/promises';
import type { FaultGround, FaultKind } from './faults.ts';

/** A fault that was injected; times by the harness' clock. */
export interface Injected {
  name: string;
  from: number;
  to: number;
  detail: string;
}

export interface StormOptions {
  kinds: readonly FaultKind[];
  /** How long new faults come, in milliseconds. */
  forMs: number;
  /** The shortest and the longest time from one fault to the next, in milliseconds. */
  everyMs: readonly [number, number];
  /** Faults at the same time. */
  atOnce: number;
}

/**
 * Injects faults at random instants, several at once. The kinds are dealt like cards, so that each comes about equally often.
 * Resolves when the last one is mended.
 */
export async function storm(ground: FaultGround, options: StormOptions): Promise<Injected[]> {
  const injected: Injected[] = [];
  const active = new Set<Promise<void>>();
  const end = Date.now() + options.forMs;
  let deck: FaultKind[] = [];
  const inject = async (kind: FaultKind) => {
    const from = Date.now();
    const detail = await kind.inject(ground);
    if (detail !== null) injected.push({ name: kind.name, from, to: Date.now(), detail });
  };
  while (Date.now() < end) {
    await delay(ground.dice.between(...options.everyMs));
    if (active.size >= options.atOnce) {
      await Promise.race(active);
      continue;
    }
    if (deck.length === 0) deck = ground.dice.shuffle(options.kinds);
    const kind = deck.pop();
    if (!kind) continue;
    const work = inject(kind).finally(() => active.delete(work));
    active.add(work);
  }
  await Promise.all(active);
  return injected;
}
