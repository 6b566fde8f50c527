import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { Logger } from '../shared/logger.ts';
import { stateOf } from './records.ts';
import { inTransaction } from './sql.ts';

/** The folder of the migrations, in the form that the Supabase CLI reads. */
export const MIGRATIONS = join(import.meta.dirname, 'supabase', 'migrations');

export interface Migration {
  version: string;
  name: string;
  sql: string;
  /** The extension, and its least version, without which the migration is left for later; null when it needs none. */
  requires: { extension: string; version: string } | null;
}

/** An arbitrary number that names this service's migrations among advisory locks. */
const MIGRATION_LOCK = 7_302_011_934;

// As the Supabase CLI makes it, so that either may come first.
const LEDGER = `
  create schema if not exists supabase_migrations;
  create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
  alter table supabase_migrations.schema_migrations add column if not exists statements text[];
  alter table supabase_migrations.schema_migrations add column if not exists name text;`;

/** Reads `<version>_<name>.sql` files in the order of their versions. */
export async function readMigrations(folder: string = MIGRATIONS): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => /^\d{14}_.+\.sql$/.test(file)).toSorted();
  return Promise.all(
    files.map(async (file) => {
      const sql = await readFile(join(folder, file), 'utf8');
      return { version: file.slice(0, 14), name: file.slice(15, -'.sql'.length), sql, requires: requirementOf(sql) };
    }),
  );
}

/** A migration says in its first line what it cannot do without: `-- requires extension vector 0.8`. */
function requirementOf(sql: string): Migration['requires'] {
  const [, extension, version] = /^-- requires extension (\w+) ([\d.]+)\s*$/m.exec(sql.split('\n', 1)[0] ?? '') ?? [];
  return extension === undefined || version === undefined ? null : { extension, version };
}

/**
 * Applies the migrations that the database has not seen, each in one transaction, and returns their versions. Safe to call
 * from several replicas at once and as often as one likes. A database that has newer migrations than this code knows is left
 * as it is and reported in the log: every version works with the schema of the next one. A migration whose extension the
 * server does not have is left out, and asked about again at the next start.
 */
export async function migrate(pool: pg.Pool, logger: Logger, folder: string = MIGRATIONS): Promise<string[]> {
  const migrations = await readMigrations(folder);
  const applied: string[] = [];
  // The lock belongs to the transaction: a replica that dies leaves none behind, and a pooler between cannot mix it up.
  await inTransaction(pool, async (client) => {
    await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    await client.query(LEDGER);
  });
  for (const migration of migrations) {
    if (!(await tryApply(pool, migration, logger))) continue;
    applied.push(migration.version);
    logger.info('Migration applied', { version: migration.version, name: migration.name });
  }
  await reportNewer(pool, migrations, logger);
  return applied;
}

/** SQLSTATE insufficient_privilege: the extension is there, and this role may not make it. */
const NO_RIGHT = '42501';

async function tryApply(pool: pg.Pool, migration: Migration, logger: Logger): Promise<boolean> {
  const { requires, version, name } = migration;
  if (requires === null) return inTransaction(pool, (client) => apply(client, migration));
  if (!(await hasExtension(pool, requires))) return false;
  try {
    return await inTransaction(pool, (client) => apply(client, migration));
  } catch (error) {
    if (stateOf(error) !== NO_RIGHT) throw error;
    logger.warn('Migration left out: this role may not create the extension it needs', { version, name, requires });
    return false;
  }
}

/** Whether the server has the extension, in that version or a later one; where the database uses it, in the version used. */
async function hasExtension(
  pool: pg.Pool,
  { extension, version }: NonNullable<Migration['requires']>,
): Promise<boolean> {
  const { rows } = await pool.query<{ version: string }>(
    'select coalesce(installed_version, default_version) as version from pg_available_extensions where name = $1',
    [extension],
  );
  const found = rows[0]?.version;
  return found !== undefined && found.localeCompare(version, 'en', { numeric: true }) >= 0;
}

async function apply(client: pg.PoolClient, migration: Migration): Promise<boolean> {
  await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
  const seen = await client.query('select 1 from supabase_migrations.schema_migrations where version = $1', [
    migration.version,
  ]);
  if (seen.rows.length > 0) return false;
  await client.query(migration.sql);
  await client.query(
    'insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)',
    [migration.version, [migration.sql], migration.name],
  );
  return true;
}

async function reportNewer(pool: pg.Pool, migrations: Migration[], logger: Logger): Promise<void> {
  const newest = migrations.at(-1)?.version ?? '';
  const { rows } = await pool.query<{ version: string }>(
    'select version from supabase_migrations.schema_migrations where version > $1 order by version',
    [newest],
  );
  if (rows.length > 0)
    logger.warn('The database has newer migrations than this version knows', {
      versions: rows.map((row) => row.version),
    });
}
