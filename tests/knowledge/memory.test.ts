import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Records } from '../../database/records.ts';
import { MemoryConflictError, STATE_LIMIT } from '../../knowledge/memory/session-memory.ts';
import { DatabaseUnavailableError, ValidationError } from '../../shared/errors.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import type { JsonObject } from '../../shared/json.ts';
import { TestClock } from '../support/clock.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { KEY, look, MapCache, replica } from './memory-support.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

const rejection = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => error,
  );

describe('a state', () => {
  test('comes back as it was put, from the process, the cache and the database', async () => {
    const state = JSON.parse(
      '{"b":1,"a":[1.5e300,-0.25,null,true,{"deep":{}}],"é\\u0000\\ud800":"\\ud83d\\ude80 \\\\ \\"x\\" \\udc00\\u0000","__proto__":{"x":1},"":""}',
    ) as JsonObject;
    const cache = new MapCache();
    const first = replica(records, { cache });
    await first.put(KEY, state, null);
    const found = [
      await first.recover(KEY),
      await replica(records, { cache }).recover(KEY),
      await replica(records).recover(KEY),
    ];
    expect(found.map((session) => session?.source)).toEqual(['process', 'redis', 'postgres']);
    for (const session of found) expect(JSON.stringify(session?.state)).toBe(JSON.stringify(state));
  });

  test('is the reader’s own: changing it changes nothing that others read', async () => {
    const memory = replica(records);
    await memory.put(KEY, { list: [1] }, null);
    const mine = await memory.get(KEY);
    const list = mine?.state['list'] as number[];
    list.push(2);
    expect(await look(memory)).toEqual(['process', { list: [1] }]);
  });

  test('belongs to its namespace and id alone', async () => {
    const memory = replica(records);
    await memory.put({ namespace: 'a', id: 'b:c' }, { of: 1 }, null);
    await memory.put({ namespace: 'a', id: 'b' }, { of: 2 }, null);
    await memory.put({ namespace: 'a-b', id: 'c' }, { of: 3 }, null);
    const states = [
      await memory.get({ namespace: 'a', id: 'b:c' }),
      await memory.get({ namespace: 'a', id: 'b' }),
      await memory.get({ namespace: 'a-b', id: 'c' }),
      await memory.get({ namespace: 'a-b', id: 'b' }),
    ];
    expect(states.map((found) => found?.state['of'])).toEqual([1, 2, 3, undefined]);
  });

  test('may have 262,144 bytes as JSON in UTF-8, and not one more', async () => {
    const memory = replica(records);
    const fits = { text: 'é'.repeat((STATE_LIMIT - 12) / 2) + 'x' };
    expect(Buffer.byteLength(JSON.stringify(fits))).toBe(STATE_LIMIT);
    await memory.put(KEY, fits, null);
    const error = await rejection(memory.put(KEY, { text: `${fits.text}x` }, 1));
    expect(error).toBeInstanceOf(ValidationError);
    expect((error as ValidationError).details).toEqual([
      { path: 'state', message: 'has 262145 bytes as JSON', mend: expect.stringContaining('262144 bytes') },
    ]);
    expect((await memory.get(KEY))?.state).toEqual(fits);
  });

  test.each([
    [{ namespace: '', id: 'x' }, ['namespace']],
    [{ namespace: 'a:b', id: 'x' }, ['namespace']],
    [{ namespace: 'A', id: '..' }, ['namespace', 'id']],
    [{ namespace: 'a', id: '' }, ['id']],
    [{ namespace: 'a', id: 'x y' }, ['id']],
    [{ namespace: 'a', id: 'x'.repeat(201) }, ['id']],
  ])('has no key such as %j', async (key, paths) => {
    const memory = replica(records);
    for (const error of [
      await rejection(memory.get(key)),
      await rejection(memory.put(key, {}, null)),
      await rejection(memory.remove(key)),
    ]) {
      expect(error).toBeInstanceOf(ValidationError);
      expect((error as ValidationError).details.map(({ path }) => path)).toEqual(paths);
    }
  });
});

describe('a write', () => {
  test('is refused when the session is at another version, and tells at which', async () => {
    const [one, other] = [replica(records), replica(records)];
    const { version } = await one.put(KEY, { by: 'one' }, null);
    const { version: next } = await other.put(KEY, { by: 'other' }, version);
    expect(next).toBeGreaterThan(version);
    const error = await rejection(one.put(KEY, { by: 'one again' }, version));
    expect(error).toBeInstanceOf(MemoryConflictError);
    expect(error).toMatchObject({
      code: 'MEMORY_CONFLICT',
      status: 409,
      present: next,
      details: [{ path: 'version', message: `the session is at version ${next}` }],
    });
    expect(await one.get(KEY)).toMatchObject({ state: { by: 'other' }, version: next });
  });

  test('makes a session only where there is none, and changes one only where there is one', async () => {
    const memory = replica(records);
    expect(await rejection(memory.put(KEY, {}, 7))).toMatchObject({ code: 'MEMORY_CONFLICT', present: null });
    const { version } = await memory.put(KEY, {}, null);
    expect(await rejection(memory.put(KEY, {}, null))).toMatchObject({ code: 'MEMORY_CONFLICT', present: version });
  });

  test('does not take a session that was removed and made anew for the one that was read', async () => {
    const [one, other] = [replica(records), replica(records)];
    const { version } = await one.put(KEY, { n: 1 }, null);
    await other.remove(KEY);
    const anew = await other.put(KEY, { n: 1 }, null);
    expect(anew.version).toBeGreaterThan(version);
    expect(await rejection(one.put(KEY, { n: 2 }, version))).toMatchObject({ present: anew.version });
  });

  test('says when it was, by the clock of the service', async () => {
    const clock = new TestClock('2026-05-05T05:05:05.005Z');
    const memory = replica(records, { clock });
    const { updatedAt } = await memory.put(KEY, {}, null);
    expect([updatedAt, (await replica(records).get(KEY))?.updatedAt]).toEqual(
      Array(2).fill('2026-05-05T05:05:05.005Z'),
    );
  });
});

describe('a copy', () => {
  test('is taken from the process, else from the cache, else from the database, which then fills both', async () => {
    const cache = new MapCache();
    const first = replica(records);
    await first.put(KEY, { n: 1 }, null);
    const second = replica(records, { cache });
    expect(await look(second)).toEqual(['postgres', { n: 1 }]);
    expect(await look(second)).toEqual(['process', { n: 1 }]);
    const third = replica(records, { cache });
    expect(await look(third)).toEqual(['redis', { n: 1 }]);
    expect(await look(third)).toEqual(['process', { n: 1 }]);
  });

  test('that another replica has made stale is never read: neither in the process nor in the cache', async () => {
    const cache = new MapCache();
    const [one, other] = [replica(records, { cache }), replica(records, { cache })];
    const { version } = await one.put(KEY, { n: 1 }, null);
    const stale = await cache.get('agent:one');
    const { version: next } = await other.put(KEY, { n: 2 }, version);
    expect(await one.recover(KEY)).toMatchObject({ state: { n: 2 }, version: next, source: 'redis' });
    // As when the first write reaches the cache after the second one.
    cache.set('agent:one', stale ?? '', 1);
    await other.put(KEY, { n: 3 }, next);
    cache.set('agent:one', stale ?? '', 1);
    expect(await look(one)).toEqual(['postgres', { n: 3 }]);
    cache.set('agent:one', stale ?? '', 1);
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 3 }]);
  });

  test.each(['', 'garbage', '{"n":1', '{"n":2}', '[]', '{"n":1} ', '\u0000'])(
    'in the cache that is not what was written (%j) counts for nothing, and is put right',
    async (text) => {
      const cache = new MapCache();
      await replica(records, { cache }).put(KEY, { n: 1 }, null);
      cache.texts.set('agent:one', text);
      expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 1 }]);
      expect(await look(replica(records, { cache }))).toEqual(['redis', { n: 1 }]);
    },
  );

  test('of a removed session is nobody’s state any more', async () => {
    const cache = new MapCache();
    cache.remove = () => undefined;
    const [one, other] = [replica(records, { cache }), replica(records, { cache })];
    await one.put(KEY, { n: 1 }, null);
    await other.get(KEY);
    expect([await other.remove(KEY), await other.remove(KEY)]).toEqual([true, false]);
    for (const memory of [one, other, replica(records, { cache })]) expect(await memory.recover(KEY)).toBeNull();
  });

  test('leaves the process when it is full, the longest unused first', async () => {
    const text = 'x'.repeat(1_000);
    const memory = replica(records, { maxBytes: 6_000 });
    const key = (id: string) => ({ namespace: 'agent', id });
    for (const id of ['a', 'b']) await memory.put(key(id), { text }, null);
    await memory.get(key('a'));
    await memory.put(key('c'), { text }, null);
    const sources = [];
    for (const id of ['a', 'c', 'b']) sources.push((await memory.recover(key(id)))?.source);
    expect(sources).toEqual(['process', 'process', 'postgres']);
  });

  test('leaves the process when it was not used for its time, and the cache is told that time', async () => {
    const clock = new TestClock();
    const cache = new MapCache();
    const memory = replica(records, { clock, cache, ttlMs: 60_000 });
    await memory.put(KEY, { n: 1 }, null);
    expect(cache.ttls.get('agent:one')).toBe(60_000);
    for (let use = 0; use < 3; use += 1) {
      await clock.advance(59_000);
      expect(await look(memory)).toEqual(['process', { n: 1 }]);
    }
    await clock.advance(60_001);
    expect(await look(memory)).toEqual(['redis', { n: 1 }]);
  });

  test('is not read while the database is away, since nobody knows whether it is still the state', async () => {
    let isAway = false;
    const wayTo =
      (method: 'select' | 'call' | 'remove') =>
      (...args: never[]) => {
        if (isAway) return Promise.reject(new DatabaseUnavailableError(new Error('away')));
        return (records[method] as (...given: never[]) => Promise<unknown>).apply(records, args);
      };
    const database = { select: wayTo('select'), call: wayTo('call'), remove: wayTo('remove') } as unknown as Records;
    const cache = new MapCache();
    const [near, far] = [replica(database, { cache }), replica(database, { cache })];
    const { version } = await near.put(KEY, { n: 1 }, null);
    isAway = true;
    for (const memory of [near, far])
      for (const work of [memory.get(KEY), memory.recover(KEY), memory.put(KEY, {}, version), memory.remove(KEY)])
        await expect(work).rejects.toThrow(DatabaseUnavailableError);
    isAway = false;
    expect([await look(near), await look(far)]).toEqual([
      ['process', { n: 1 }],
      ['redis', { n: 1 }],
    ]);
  });
});

test('a recovery is told with its source and its time, a mere read is not', async () => {
  const events = new EventBus();
  const told: ServiceEvent[] = [];
  events.subscribe((event) => told.push(event));
  const memory = replica(records, { events });
  await memory.put(KEY, { n: 1 }, null);
  await memory.get(KEY);
  await memory.recover({ namespace: 'agent', id: 'nobody' });
  expect(told).toEqual([]);
  const found = await memory.recover(KEY);
  expect(found?.ms).toBeGreaterThan(0);
  expect(told).toEqual([{ type: 'memory.recovered', facts: { ...KEY, source: 'process', ms: found?.ms } }]);
});
