import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import { types } from 'pg';
import { connectionOptions, connectPool } from '../../database/postgres.ts';
import { inTransaction, recordTypes, SqlRecords } from '../../database/sql.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { silentLogger } from '../../shared/logger.ts';
import { freePort, startPostgres, type TestDatabase, type TestPostgres, quietPool } from '../support/postgres.ts';

let server: TestPostgres;
let database: TestDatabase;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase();
}, 60_000);
afterAll(() => server.stop());

describe('a connection that breaks', () => {
  /** Ends the sessions of one application, as a restart of the server or a pooler does. */
  const endSessions = (name: string) =>
    database.pool.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()',
      [name],
    );

  test('while idle is replaced, and nobody notices', async () => {
    const lost = Promise.withResolvers<string>();
    const pool = connectPool(database.url, { ...silentLogger, warn: (message) => lost.resolve(message) });
    const records = new SqlRecords(pool);
    await records.ping();
    await endSessions('pipeline-orchestrator');
    expect(await lost.promise).toBe('An idle database connection was lost');
    await records.ping();
    await records.close();
  });

  test('in the middle of a statement is unavailable, and the next statement works', async () => {
    const pool = quietPool({ connectionString: database.url, application_name: 'sleeper', types: recordTypes, max: 1 });
    pool.on('error', () => undefined);
    const records = new SqlRecords(pool);
    await pool.query(
      'create or replace function nap() returns integer language sql as $$ select 1 from pg_sleep(60) $$',
    );
    const nap = records.call('nap', {});
    const outcome = nap.catch((error: unknown) => error);
    const asleep = async () =>
      (
        await database.pool.query(
          "select 1 from pg_stat_activity where application_name = 'sleeper' and datname = current_database() and wait_event = 'PgSleep'",
        )
      ).rows.length > 0;
    while (!(await asleep()));
    await endSessions('sleeper');
    expect(await outcome).toBeInstanceOf(DatabaseUnavailableError);
    await records.ping();
    await records.close();
  });

  test('in the middle of a transaction is unavailable too', async () => {
    const pool = quietPool({ connectionString: database.url, application_name: 'holder', max: 1 });
    pool.on('error', () => undefined);
    const broken = inTransaction(pool, async (client) => {
      await endSessions('holder');
      await client.query('select 1');
    });
    await expect(broken).rejects.toThrow();
    expect((await pool.query('select 1')).rowCount).toBe(1);
    await pool.end();
  });

  test('that cannot be made is unavailable', async () => {
    const pool = connectPool(`postgres://u:p@127.0.0.1:${await freePort()}/none`, silentLogger);
    await expect(new SqlRecords(pool).select('campaigns')).rejects.toBeInstanceOf(DatabaseUnavailableError);
    await pool.end();
  });

  test('to a server that says nothing is unavailable when the time is up', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const pool = quietPool({ host: '127.0.0.1', port: port ?? 0, connectionTimeoutMillis: 100 });
    await expect(new SqlRecords(pool).ping()).rejects.toBeInstanceOf(DatabaseUnavailableError);
    await pool.end();
    silent.close();
  });

  test('for which the pool has none left is unavailable', async () => {
    const pool = quietPool({ connectionString: database.url, max: 1, connectionTimeoutMillis: 1_500 });
    const client = await pool.connect();
    await expect(new SqlRecords(pool).ping()).rejects.toBeInstanceOf(DatabaseUnavailableError);
    client.release();
    await pool.end();
  });

  test('whose answer takes too long is not lent to the next caller', async () => {
    const pool = quietPool({ connectionString: database.url, max: 1, query_timeout: 100, types: recordTypes });
    const records = new SqlRecords(pool);
    await pool.query(
      'create or replace function nap() returns integer language sql as $$ select 1 from pg_sleep(60) $$',
    );
    await expect(records.call('nap', {})).rejects.toBeInstanceOf(DatabaseUnavailableError);
    await records.ping();
    await records.close();
  });
});

describe('the records on Postgres', () => {
  test('a wrong password is a refusal, not an absence', async () => {
    const pool = quietPool({ connectionString: database.url.replace('postgres:postgres@', 'postgres:wrong@') });
    await expect(new SqlRecords(pool).ping()).rejects.toMatchObject({ sqlState: '28P01' });
    await pool.end();
  });

  test('leave the types of other users of pg alone', () => {
    expect(types.getTypeParser(1184)('2026-01-05 09:00:00+00')).toBeInstanceOf(Date);
  });

  test('times are the same whatever the time zone of the session', async () => {
    const pool = quietPool({ connectionString: database.url, types: recordTypes, options: '-c TimeZone=Asia/Kolkata' });
    const records = new SqlRecords(pool);
    const at = '2026-03-29T01:30:00.123Z';
    const [row] = await records.insert('idempotency_keys', [{ key: 'zone', request_hash: 'h', created_at: at }]);
    expect(row?.created_at).toBe(at);
    await records.close();
  });

  test('more rows than one statement can hold are still all or nothing', async () => {
    const { records } = await server.createDatabase();
    const rows = Array.from({ length: 40_000 }, (_, index) => ({ key: `k${index}`, request_hash: 'h' }));
    await expect(records.insert('idempotency_keys', [...rows, { key: 'k7', request_hash: 'h' }])).rejects.toMatchObject(
      {
        sqlState: '23505',
      },
    );
    expect(await records.count('idempotency_keys')).toBe(0);
    expect(await records.insert('idempotency_keys', rows)).toHaveLength(40_000);
  });
});

describe('connection strings', () => {
  test("Supabase's transaction pooler is refused with the way out", () => {
    for (const host of ['aws-0-eu-central-1.pooler.supabase.com', 'db.abcdefgh.supabase.co'])
      expect(() => connectionOptions(`postgres://postgres.abc:secret@${host}:6543/postgres`)).toThrow(
        expect.objectContaining({ code: 'DATABASE_URL_POOLED', message: expect.stringMatching(/session pooler/) }),
      );
  });

  test("Supabase's other connections are encrypted unless the string says how", () => {
    const session = 'postgres://postgres.abc:secret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres';
    expect(connectionOptions(session).ssl).toEqual({ rejectUnauthorized: false });
    expect(connectionOptions(`${session}?sslmode=verify-full`).ssl).toBeUndefined();
    expect(connectionOptions('postgres://u:p@localhost:6543/db').ssl).toBeUndefined();
  });
});
