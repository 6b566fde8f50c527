import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { migrate, MIGRATIONS, readMigrations } from '../../database/migrate.ts';
import { silentLogger } from '../../shared/logger.ts';
import { startPostgres, type TestPostgres, quietPool } from '../support/postgres.ts';

let server: TestPostgres;
const pools: Pool[] = [];
const folders: string[] = [];
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});
afterAll(() => server.stop());

async function emptyDatabase(): Promise<(max?: number) => Pool> {
  const url = await server.createEmptyDatabase();
  return (max = 1) => {
    const pool = quietPool({ connectionString: url, max });
    pools.push(pool);
    return pool;
  };
}

/** The project's migrations and one more. */
async function withOneMore(name: string, sql: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-migrations-'));
  folders.push(folder);
  await cp(MIGRATIONS, folder, { recursive: true });
  await writeFile(join(folder, name), sql);
  return folder;
}

/** Those that this server can have: it comes without further extensions. */
const possibleMigrations = async () => (await readMigrations()).filter(({ requires }) => requires === null);

const ledger = async (pool: Pool) =>
  (await pool.query('select version, name, statements from supabase_migrations.schema_migrations order by version'))
    .rows as {
    version: string;
    name: string;
    statements: string[];
  }[];

describe('migrations', () => {
  test("are applied in order and noted as Supabase's own tool notes them", async () => {
    const pool = (await emptyDatabase())();
    const files = await possibleMigrations();
    expect(files.map((file) => file.version)).toEqual(files.map((file) => file.version).toSorted());
    expect(await migrate(pool, silentLogger)).toEqual(files.map((file) => file.version));
    expect(await ledger(pool)).toEqual(files.map(({ version, name, sql }) => ({ version, name, statements: [sql] })));
  });

  test('applied once are not applied again', async () => {
    const pool = (await emptyDatabase())();
    await migrate(pool, silentLogger);
    expect(await migrate(pool, silentLogger)).toEqual([]);
  });

  test('of replicas that start together are applied once', async () => {
    const connect = await emptyDatabase();
    const answers = await Promise.all(
      [connect(), connect(), connect(), connect()].map((pool) => migrate(pool, silentLogger)),
    );
    expect(answers.flat().toSorted()).toEqual((await possibleMigrations()).map((file) => file.version));
  });

  test("go on from where Supabase's tool left", async () => {
    const pool = (await emptyDatabase())();
    const [first, ...others] = await possibleMigrations();
    // As `supabase db push` makes it: the ledger of an older version of the tool has no further columns.
    await pool.query('create schema supabase_migrations');
    await pool.query('create table supabase_migrations.schema_migrations (version text not null primary key)');
    await pool.query(first?.sql ?? '');
    await pool.query('insert into supabase_migrations.schema_migrations values ($1)', [first?.version]);
    expect(await migrate(pool, silentLogger)).toEqual(others.map((file) => file.version));
  });

  test('that fail leave nothing of themselves, and succeed when they are mended', async () => {
    const pool = (await emptyDatabase())();
    const name = '20991231000000_more.sql';
    const broken = await withOneMore(name, 'create table more (id integer); insert into more values (1 / 0);');
    await expect(migrate(pool, silentLogger, broken)).rejects.toThrow('division by zero');
    expect((await pool.query("select to_regclass('more') as t")).rows).toEqual([{ t: null }]);
    expect((await ledger(pool)).map((row) => row.version)).not.toContain('20991231000000');
    const mended = await withOneMore(name, 'create table more (id integer);');
    expect(await migrate(pool, silentLogger, mended)).toEqual(['20991231000000']);
  });

  test('that this version does not know are reported and left alone', async () => {
    const pool = (await emptyDatabase())();
    await migrate(pool, silentLogger, await withOneMore('20991231000000_more.sql', 'create table more (id integer);'));
    const warnings: unknown[] = [];
    const logger = { ...silentLogger, warn: (...warning: unknown[]) => void warnings.push(warning) };
    expect(await migrate(pool, logger)).toEqual([]);
    expect(warnings).toEqual([
      ['The database has newer migrations than this version knows', { versions: ['20991231000000'] }],
    ]);
  });
});
