import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SupabaseRecords } from '../../database/supabase.ts';
import { MemoryConflictError, type SessionMemory, STATE_LIMIT } from '../../knowledge/memory/session-memory.ts';
import { startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';
import { startPostgrest } from '../support/postgrest.ts';
import { look, MapCache, replica } from './memory-support.ts';

let postgres: TestPostgres;
let database: TestDatabase;
beforeAll(async () => {
  postgres = await startPostgres({ supabaseRoles: true });
  database = await postgres.createDatabase();
}, 60_000);
afterAll(() => postgres.stop());

const key = (id: string) => ({ namespace: 'race', id });

/** Adds one to a counter, again and again until no other writer came between. Returns how often one did. */
async function increment(memory: SessionMemory, id: string): Promise<number> {
  for (let conflicts = 0; ; conflicts += 1) {
    const found = await memory.get(key(id));
    try {
      await memory.put(key(id), { n: Number(found?.state['n'] ?? 0) + 1 }, found?.version ?? null);
      return conflicts;
    } catch (error) {
      if (!(error instanceof MemoryConflictError)) throw error;
    }
  }
}

test('of writers on two replicas that race on one session, none overwrites what another wrote', async () => {
  const cache = new MapCache();
  const replicas = [replica(database.records, { cache }), replica(database.records, { cache })];
  const writers = Array.from({ length: 8 }, (_, at) => replicas[at % 2] as SessionMemory);
  const conflicts = await Promise.all(
    writers.map(async (memory) => {
      let met = 0;
      for (let times = 0; times < 15; times += 1) met += await increment(memory, 'counter');
      return met;
    }),
  );
  for (const memory of replicas) expect((await memory.get(key('counter')))?.state).toEqual({ n: 120 });
  // They did race.
  expect(conflicts.reduce((sum, met) => sum + met, 0)).toBeGreaterThan(0);
});

test('of replicas that make the same session at once, one does, and the others learn its version', async () => {
  for (let round = 0; round < 20; round += 1) {
    const tries = await Promise.allSettled(
      Array.from({ length: 6 }, (_, by) => replica(database.records).put(key(`made-${round}`), { by }, null)),
    );
    const made = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value.version] : []));
    const refused = tries.flatMap((each) =>
      each.status === 'rejected' ? [(each.reason as MemoryConflictError).present] : [],
    );
    expect([made.length, new Set(refused)]).toEqual([1, new Set(made)]);
  }
});

test('of a write and a removal at once, the write holds or is refused, and nothing is in between', async () => {
  for (let round = 0; round < 20; round += 1) {
    const [one, other] = [replica(database.records), replica(database.records)];
    const { version } = await one.put(key('gone'), { n: 1 }, null);
    const [written] = await Promise.allSettled([one.put(key('gone'), { n: 2 }, version), other.remove(key('gone'))]);
    // Whichever came first: a removal after the write took that, too.
    if (written.status === 'rejected') expect(written.reason).toMatchObject({ code: 'MEMORY_CONFLICT', present: null });
    for (const memory of [one, other]) expect(await memory.get(key('gone'))).toBeNull();
  }
});

test('a database that is cut off and comes back serves again, and what it could not take is written then', async () => {
  const durable = await startPostgres({ durable: true });
  try {
    const { records } = await durable.createDatabase();
    const cache = new MapCache();
    const memory = replica(records, { cache });
    const { version } = await memory.put(key('cut'), { n: 1 }, null);
    await durable.halt('crash');
    await expect(memory.get(key('cut'))).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await expect(memory.put(key('cut'), { n: 2 }, version)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await durable.resume();
    expect(await look(memory, key('cut'))).toEqual(['process', { n: 1 }]);
    await memory.put(key('cut'), { n: 2 }, version);
    expect(await look(replica(records, { cache }), key('cut'))).toEqual(['redis', { n: 2 }]);
  } finally {
    await durable.stop();
  }
}, 60_000);

test('the role that Supabase gives the service may do all of it, by statements and through the API', async () => {
  const client = await database.pool.connect();
  try {
    // As Supabase makes it.
    await client.query('alter role service_role bypassrls');
    await client.query('begin');
    await client.query('set local role service_role');
    const put = (version: number | null) =>
      client.query<{ answer: { written: boolean; version: number } }>(
        "select memory_put('race', 'role', '{}', 'd', $1, now()) as answer",
        [version],
      );
    const first = (await put(null)).rows[0]?.answer;
    expect(first?.written).toBe(true);
    expect((await put(first?.version ?? 0)).rows[0]?.answer.version).toBeGreaterThan(first?.version ?? 0);
  } finally {
    await client.query('rollback');
    client.release();
  }
  const api = await startPostgrest(database.pool);
  try {
    const records = new SupabaseRecords({ url: api.url, serviceRoleKey: api.key });
    const memory = replica(records);
    const state = { text: 'ü\u0000\ud800"'.repeat(15_000).slice(0, STATE_LIMIT / 8) };
    const { version } = await memory.put(key('api'), state, null);
    expect(await look(replica(records), key('api'))).toEqual(['postgres', state]);
    await expect(memory.put(key('api'), {}, version - 1)).rejects.toMatchObject({ present: version });
    expect([await memory.remove(key('api')), await memory.get(key('api'))]).toEqual([true, null]);
  } finally {
    await api.close();
  }
});
