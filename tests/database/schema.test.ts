import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { COLUMNS, PRIMARY_KEYS, type ColumnKind } from '../../database/columns.ts';
import { migrate, readMigrations } from '../../database/migrate.ts';
import { describeSchema } from '../../database/schema-snapshot.ts';
import { recordTypes } from '../../database/sql.ts';
import { SupabaseRecords } from '../../database/supabase.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { silentLogger } from '../../shared/logger.ts';
import { startPostgres, type TestPostgres, quietPool } from '../support/postgres.ts';
import { startPostgrest } from '../support/postgrest.ts';

let server: TestPostgres;
let pool: Pool;
beforeAll(async () => {
  server = await startPostgres({ supabaseRoles: true });
  const url = await server.createEmptyDatabase();
  pool = quietPool({ connectionString: url, max: 1, types: recordTypes });
  // The generous way in which many Supabase projects are set up; the migrations must take back what they do not want.
  await pool.query('grant usage on schema public to anon, authenticated, service_role');
  for (const kind of ['tables', 'functions', 'sequences'])
    await pool.query(
      `alter default privileges in schema public grant all on ${kind} to anon, authenticated, service_role`,
    );
  await migrate(pool, silentLogger);
}, 60_000);
afterAll(async () => {
  await pool?.end();
  await server?.stop();
});

const column = async (text: string, values: unknown[] = []) =>
  (await pool.query<unknown[]>({ text, values, rowMode: 'array' })).rows.map(([value]) => String(value));

/** Runs statements as one of Supabase's roles, and takes them back. */
async function as<R>(role: string, work: (query: (text: string) => Promise<unknown>) => Promise<R>): Promise<R> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(`set local role ${role}`);
    return await work((text) => client.query(text));
  } finally {
    await client.query('rollback');
    client.release();
  }
}

describe('the schema', () => {
  test('is the one in schema.snapshot.txt (after a change: node database/write-schema-snapshot.ts)', async () => {
    const snapshot = await readFile(join(PROJECT_ROOT, 'database', 'schema.snapshot.txt'), 'utf8');
    expect(await describeSchema(pool)).toBe(snapshot);
  });

  test('holds every column that the code knows, of the kind it takes it for', async () => {
    const kinds: Record<string, ColumnKind> = {
      jsonb: 'json',
      'timestamp with time zone': 'time',
      date: 'date',
      integer: 'integer',
      bigint: 'integer',
      numeric: 'number',
      'double precision': 'number',
    };
    const { rows } = await pool.query<{ table: string; name: string; type: string }>(
      `select table_name as table, column_name as name, data_type as type from information_schema.columns
       where table_schema = 'public' and is_generated = 'NEVER'`,
    );
    const found: Record<string, Record<string, ColumnKind>> = {};
    for (const { table, name, type } of rows) (found[table] ??= {})[name] = kinds[type] ?? 'plain';
    expect(found).toEqual(COLUMNS);
  });

  test('has the primary keys that the code knows', async () => {
    const { rows } = await pool.query<{ table: string; columns: string }>(
      `select conrelid::regclass::text as table, (select string_agg(attname, ',' order by n) from unnest(conkey) with ordinality as k(num, n)
         join pg_attribute a on a.attrelid = conrelid and a.attnum = num) as columns
       from pg_constraint where contype = 'p' and connamespace = 'public'::regnamespace`,
    );
    expect(Object.fromEntries(rows.map((row) => [row.table, row.columns.split(',')]))).toEqual(PRIMARY_KEYS);
  });

  test('names columns that hold a time, and no others, so that they end in _at or _for', () => {
    for (const [table, columns] of Object.entries(COLUMNS))
      for (const [name, kind] of Object.entries(columns))
        expect([table, name, /_(at|for)$/.test(name)]).toEqual([table, name, kind === 'time']);
  });
});

describe('access on a Supabase project', () => {
  test('every table has row level security and no policy', async () => {
    expect(
      await column(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity",
      ),
    ).toEqual([]);
    expect(await column("select policyname from pg_policies where schemaname = 'public'")).toEqual([]);
  });

  test('no function runs with the rights of its owner, and each has a fixed search path', async () => {
    expect(
      await column(
        `select proname from pg_proc where pronamespace = 'public'::regnamespace
         and (prosecdef or not coalesce(proconfig, '{}') @> array['search_path=public, pg_temp'])`,
      ),
    ).toEqual([]);
  });

  test('the lists of functions that migrations give rights to hold every function there is', async () => {
    const lists = (await readMigrations()).map(({ sql }) => /p\.proname in \(([^)]+)\)/.exec(sql)?.[1] ?? '');
    const listed = lists.flatMap((list) => [...list.matchAll(/'(\w+)'/g)].map(([, name]) => name));
    const functions = await column("select proname from pg_proc where pronamespace = 'public'::regnamespace");
    expect(new Set(listed)).toEqual(new Set(functions));
  });

  test.each(['anon', 'authenticated'])('%s has no right to anything', async (role) => {
    expect(
      await column(
        `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S', 'v')
         and has_table_privilege($1, oid, 'select, insert, update, delete, truncate, references, trigger')`,
        [role],
      ),
    ).toEqual([]);
    expect(
      await column(
        `select proname from pg_proc where pronamespace = 'public'::regnamespace and has_function_privilege($1, oid, 'execute')`,
        [role],
      ),
    ).toEqual([]);
  });

  test.each(Object.keys(COLUMNS))('anon cannot read %s, service_role can', async (table) => {
    await expect(as('anon', (query) => query(`select 1 from ${table}`))).rejects.toThrow(/permission denied/);
    await expect(as('service_role', (query) => query(`select 1 from ${table}`))).resolves.toBeDefined();
  });

  test('anon cannot call a function, service_role can', async () => {
    await expect(as('anon', (query) => query('select max_waiting_runs()'))).rejects.toThrow(/permission denied/);
    await expect(as('service_role', (query) => query('select max_waiting_runs()'))).resolves.toBeDefined();
    expect(
      await column(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and not has_function_privilege('service_role', oid, 'execute')",
      ),
    ).toEqual([]);
  });

  test('service_role can write every table but the log of decisions, past row level security', async () => {
    // Supabase's service_role has this attribute.
    await pool.query('alter role service_role bypassrls');
    await as('service_role', async (query) => {
      await query("insert into idempotency_keys (key, request_hash) values ('k', 'h')");
      await query("update idempotency_keys set status = 200 where key = 'k'");
      await query("delete from idempotency_keys where key = 'k'");
    });
    expect(
      await column(
        `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
         and not (has_table_privilege('service_role', oid, 'select') and has_table_privilege('service_role', oid, 'insert')
         and has_table_privilege('service_role', oid, 'update') and has_table_privilege('service_role', oid, 'delete'))
         order by relname`,
      ),
    ).toEqual(['agent_decisions', 'decision_chains']);
  });

  test('the check at the start of the service finds nothing missing', async () => {
    const api = await startPostgrest(pool);
    const records = new SupabaseRecords({ url: api.url, serviceRoleKey: api.key });
    await records.checkSchema();
    await records.close();
    await api.close();
  });
});
