import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MemoryConflictError, type SessionMemory, type StateCache } from '../../knowledge/memory/session-memory.ts';
import type { SessionKey } from '../../knowledge/memory/session-key.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { replica } from './memory-support.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
afterAll(() => records.close());

type CacheFault = 'none' | 'drop' | 'late' | 'damage' | 'forget' | 'silent';

/** A cache that does with the next thing it is asked whatever a bad day brings. */
class WaywardCache implements StateCache {
  readonly #texts = new Map<string, string>();
  readonly #late: (() => void)[] = [];
  fault: CacheFault = 'none';

  async get(name: string): Promise<string | null> {
    return this.fault === 'silent' ? null : (this.#texts.get(name) ?? null);
  }

  set(name: string, text: string): void {
    this.#change(() => this.#texts.set(name, this.fault === 'damage' ? text.replace(/\d/, '9') : text));
    if (this.fault === 'forget') this.#texts.delete(name);
  }

  remove(name: string): void {
    this.#change(() => this.#texts.delete(name));
  }

  /** What was held up arrives, the newest first. */
  arrive(): void {
    for (const change of this.#late.splice(0).toReversed()) change();
  }

  #change(work: () => void): void {
    if (this.fault === 'late') this.#late.push(work);
    else if (this.fault !== 'drop') work();
  }
}

type Action =
  | { do: 'put'; by: number; key: number; on: 'present' | 'stale' | 'nothing' }
  | { do: 'remove' | 'read'; by: number; key: number }
  | { do: 'crash'; by: number }
  | { do: 'arrive' };

const by = fc.nat(1);
const key = fc.nat(1);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      by,
      key,
      on: fc.constantFrom('present' as const, 'present' as const, 'stale' as const, 'nothing' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), by, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), by, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), by }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('arrive' as const) }) },
);
const fault = fc.constantFrom<CacheFault>('none', 'none', 'drop', 'late', 'damage', 'forget', 'silent');

/** What the last acknowledged write of each session said, and every version it has had. */
class Model {
  readonly present = new Map<number, { n: number; version: number }>();
  readonly #had = new Map<number, number[]>();
  #next = 0;

  versionFor(of: number, on: 'present' | 'stale' | 'nothing'): number | null {
    if (on === 'present') return this.present.get(of)?.version ?? null;
    const earlier = this.#had.get(of)?.filter((version) => version !== this.present.get(of)?.version) ?? [];
    return on === 'stale' ? (earlier.at(-1) ?? 1_000_000_000) : null;
  }

  isToBeWritten(of: number, version: number | null): boolean {
    return (this.present.get(of)?.version ?? null) === version;
  }

  nextState(): { n: number } {
    this.#next += 1;
    return { n: this.#next };
  }

  written(of: number, n: number, version: number): void {
    const had = this.#had.get(of) ?? [];
    expect(Math.max(0, ...had)).toBeLessThan(version);
    this.#had.set(of, [...had, version]);
    this.present.set(of, { n, version });
  }
}

async function put(
  memory: SessionMemory,
  model: Model,
  place: SessionKey,
  of: number,
  on: 'present' | 'stale' | 'nothing',
) {
  const version = model.versionFor(of, on);
  const state = model.nextState();
  const answer = await memory.put(place, state, version).catch((error: unknown) => error);
  if (model.isToBeWritten(of, version)) model.written(of, state.n, (answer as { version: number }).version);
  else {
    expect(answer).toBeInstanceOf(MemoryConflictError);
    expect((answer as MemoryConflictError).present).toBe(model.present.get(of)?.version ?? null);
  }
}

test('whatever two replicas do, crash and have in their caches, each reads what the last acknowledged write said', async () => {
  const sources = new Set<string>();
  let rounds = 0;
  const steps = fc.array(fc.tuple(action, fault), { minLength: 5, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, async (actions) => {
      rounds += 1;
      const cache = new WaywardCache();
      const fresh = () => replica(records, { cache });
      const replicas = [fresh(), fresh()];
      const model = new Model();
      for (const [each, trouble] of actions) {
        cache.fault = trouble;
        if (each.do === 'arrive') cache.arrive();
        else if (each.do === 'crash') replicas[each.by] = fresh();
        else {
          const memory = replicas[each.by] as SessionMemory;
          const place = { namespace: `round-${rounds}`, id: `k${each.key}` };
          if (each.do === 'put') await put(memory, model, place, each.key, each.on);
          else if (each.do === 'remove') {
            expect(await memory.remove(place)).toBe(model.present.delete(each.key));
          } else {
            const found = await memory.recover(place);
            const { n, version } = model.present.get(each.key) ?? {};
            expect([found?.state['n'], found?.version]).toEqual([n, version]);
            if (found) sources.add(found.source);
          }
        }
      }
    }),
    { numRuns: 150 },
  );
  // The property is worth something only when states came from everywhere.
  expect([...sources].toSorted()).toEqual(['postgres', 'process', 'redis']);
}, 120_000);
