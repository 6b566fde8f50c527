import type { Records } from '../../database/records.ts';
import {
  type MemorySource,
  SessionMemory,
  type SessionMemoryOptions,
  type StateCache,
} from '../../knowledge/memory/session-memory.ts';
import { EventBus } from '../../shared/events.ts';
import { TestClock } from '../support/clock.ts';

export const KEY = { namespace: 'agent', id: 'one' };

/** Keeps what it is given, at once and for ever. */
export class MapCache implements StateCache {
  readonly texts = new Map<string, string>();
  readonly ttls = new Map<string, number>();

  async get(name: string): Promise<string | null> {
    return this.texts.get(name) ?? null;
  }

  set(name: string, text: string, ttlMs: number): void {
    this.texts.set(name, text);
    this.ttls.set(name, ttlMs);
  }

  remove(name: string): void {
    this.texts.delete(name);
  }
}

/** A process as far as memory goes: a new one has nothing at hand. */
export function replica(records: Records, options: Partial<SessionMemoryOptions> = {}): SessionMemory {
  return new SessionMemory({ records, clock: new TestClock(), events: new EventBus(), ...options });
}

/** Where a replica finds the session, and what in it. */
export async function look(memory: SessionMemory, key = KEY): Promise<[MemorySource, unknown] | null> {
  const found = await memory.recover(key);
  return found && [found.source, found.state];
}

/** Asks again and again until the condition holds, leaving the turn in between; throws after ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ten seconds: ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
