import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairSlots, type Release } from '../../shared/fair-slots.ts';

const never = new AbortController().signal;
/** Lets everything that is ready come to pass. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Slots whose takers are noted in the order in which they got one; each is named by its group. */
function noted(capacity: number) {
  const slots = new FairSlots(capacity);
  const got: string[] = [];
  const held: Release[] = [];
  return {
    slots,
    got,
    take: (group: string, signal: AbortSignal = never) =>
      slots.take(group, signal).then((release) => {
        got.push(group);
        held.push(release);
        return release;
      }),
    release: async () => {
      held.shift()?.();
      await turn();
    },
  };
}

describe('slots', () => {
  test('are given at once as long as there are any', async () => {
    const { slots, take, got } = noted(2);
    await Promise.all([take('a'), take('a')]);
    expect(got).toEqual(['a', 'a']);
    expect(slots.tryTake()).toBeNull();
    expect(slots.waiting).toBe(0);
  });

  test('that come free go round the groups that wait, within a group first come first served', async () => {
    const { slots, take, got, release } = noted(1);
    await take('first');
    const names = ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'c2'];
    const order: string[] = [];
    const waits = names.map((name) => take(name.charAt(0)).then(() => order.push(name)));
    expect(slots.waiting).toBe(7);
    for (let freed = 0; freed < names.length; freed += 1) await release();
    await Promise.all(waits);
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4']);
    expect(got).toHaveLength(8);
    expect(slots.waiting).toBe(0);
  });

  test('that are made many at once are given a few in each turn, to all who wait', async () => {
    const { slots, take, got } = noted(1);
    const waits = Array.from({ length: 101 }, () => take('a'));
    await turn();
    slots.resize(90);
    await Promise.resolve();
    expect(got.length).toBeLessThan(50);
    // Whoever comes now stands behind those in line.
    expect(slots.tryTake()).toBeNull();
    for (let turns = 0; turns < 10; turns += 1) await turn();
    expect(got).toHaveLength(90);
    slots.resize(101);
    await Promise.all(waits);
  });

  test('let one that comes late wait for a turn of each group, not for everybody before it', async () => {
    const { take, got, release } = noted(1);
    const crowd = Array.from({ length: 1_000 }, () => take('crowd'));
    await turn();
    const late = take('late');
    await release();
    await release();
    await late;
    expect(got).toEqual(['crowd', 'crowd', 'late']);
    expect(crowd).toHaveLength(1_000);
  });

  test('are not passed by: who comes while others wait, waits behind them', async () => {
    const { slots, take, got, release } = noted(1);
    await take('a');
    void take('b');
    await release();
    expect(slots.tryTake()).toBeNull();
    void take('a');
    await release();
    expect(got).toEqual(['a', 'b', 'a']);
  });

  test('given back twice are free once', async () => {
    const { slots, take, got } = noted(1);
    const release = await take('a');
    void take('a');
    void take('a');
    release();
    release();
    await turn();
    expect(got).toEqual(['a', 'a']);
    expect(slots.waiting).toBe(1);
    release();
    await turn();
    expect(slots.waiting).toBe(1);
  });
});

describe('somebody who stops waiting', () => {
  test('gets the reason, and leaves no trace: the next in turn is served', async () => {
    const { slots, take, got, release } = noted(1);
    await take('a');
    const patience = new AbortController();
    const gone = take('b', patience.signal);
    void take('c');
    patience.abort(new Error('no patience'));
    await expect(gone).rejects.toThrow('no patience');
    expect(slots.waiting).toBe(1);
    await release();
    expect(got).toEqual(['a', 'c']);
    await release();
    expect(slots.tryTake()).not.toBeNull();
  });

  test('before waiting takes no slot', async () => {
    const { slots, take } = noted(1);
    await expect(take('a', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(slots.tryTake()).not.toBeNull();
  });

  test('after getting a slot keeps it until it is given back', async () => {
    const { slots, take, release } = noted(1);
    const patience = new AbortController();
    await take('a', patience.signal);
    patience.abort();
    expect(slots.tryTake()).toBeNull();
    await release();
    expect(slots.tryTake()).not.toBeNull();
  });
});

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ take: fc.constantFrom('a', 'a', 'a', 'a', 'a', 'b', 'c', 'd') }) },
  { weight: 3, arbitrary: fc.record({ release: fc.nat({ max: 50 }) }) },
  { weight: 1, arbitrary: fc.record({ abort: fc.nat({ max: 50 }) }) },
);

test('never are more than all in use, none is idle while somebody waits, and each group that waits has its turn', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(action, { maxLength: 80, size: 'max' }),
      async (capacity, actions) => {
        const slots = new FairSlots(capacity);
        const held: Release[] = [];
        let waiting: { group: string; patience: AbortController }[] = [];
        /** Slots that went to others since the group began to wait. */
        const passed = new Map<string, number>();
        const gone = (waiter: (typeof waiting)[number]) => {
          waiting = waiting.filter((other) => other !== waiter);
          if (!waiting.some(({ group }) => group === waiter.group)) passed.delete(waiter.group);
        };
        const granted = (waiter: (typeof waiting)[number], release: Release) => {
          held.push(release);
          gone(waiter);
          for (const group of new Set(waiting.map((other) => other.group)))
            passed.set(group, (passed.get(group) ?? 0) + 1);
          passed.delete(waiter.group);
        };
        for (const act of actions) {
          if ('take' in act) {
            const waiter = { group: act.take, patience: new AbortController() };
            waiting.push(waiter);
            void slots.take(act.take, waiter.patience.signal).then(
              (release) => granted(waiter, release),
              () => gone(waiter),
            );
          } else if ('release' in act) held.splice(act.release % Math.max(1, held.length), 1)[0]?.();
          else waiting[act.abort % Math.max(1, waiting.length)]?.patience.abort();
          await turn();
          expect(held.length).toBeLessThanOrEqual(capacity);
          if (waiting.length > 0) expect(held).toHaveLength(capacity);
          expect(slots.waiting).toBe(waiting.length);
          // Three other groups, a turn each.
          for (const count of passed.values()) expect(count).toBeLessThanOrEqual(3);
        }
        while (held.length > 0) {
          held.shift()?.();
          await turn();
        }
        expect(waiting).toEqual([]);
        for (let slot = 0; slot < capacity; slot += 1) expect(slots.tryTake()).not.toBeNull();
        expect(slots.tryTake()).toBeNull();
      },
    ),
    { numRuns: 300 },
  );
});
