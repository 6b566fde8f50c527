import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PgBoss } from 'pg-boss';
import { type Database, openDatabase, type OpenOptions } from '../../database/open.ts';
import type { Config } from '../../shared/config.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { EventBus } from '../../shared/events.ts';
import { silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';
import { freePort, startPostgres, type TestDatabase, type TestPostgres, quietPool } from '../support/postgres.ts';
import { startPostgrest, type PostgrestServer } from '../support/postgrest.ts';

let server: TestPostgres;
let database: TestDatabase;
let api: PostgrestServer;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase();
  api = await startPostgrest(database.pool);
}, 60_000);
afterAll(async () => {
  await api?.close();
  await server?.stop();
});

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

type Where = Partial<Pick<Config, 'databaseUrl' | 'supabase'>>;

async function open(
  where: Where,
  options: Partial<OpenOptions> = {},
): Promise<{ database: Database; dataDir: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-data-'));
  cleanups.push(() => rm(dataDir, { recursive: true, force: true }));
  const config = { dataDir, databaseUrl: null, supabase: null, ...where };
  const opened = await openDatabase(config, { logger: silentLogger, ...options });
  cleanups.push(() => opened.close());
  return { database: opened, dataDir };
}

/** A job sent through the queue reaches its handler. */
async function expectWorkingQueue({ boss: options }: Database): Promise<void> {
  const boss = new PgBoss({ ...options, useListenNotify: true });
  boss.on('error', () => undefined);
  await boss.start();
  await boss.createQueue('runs', { notify: true });
  const got = Promise.withResolvers<unknown>();
  await boss.work('runs', { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 }, (jobs) => {
    got.resolve(jobs[0]?.data);
    return Promise.resolve();
  });
  await boss.send('runs', { runId: 'r' });
  expect(await got.promise).toEqual({ runId: 'r' });
  await boss.stop();
}

describe('with DATABASE_URL', () => {
  test('records and queue are there, and nothing in the data folder', async () => {
    const url = await server.createEmptyDatabase();
    const { database: opened, dataDir } = await open({ databaseUrl: url });
    expect(opened.kind).toBe('postgres');
    expect(await opened.records.insert('idempotency_keys', [{ key: 'k', request_hash: 'h' }])).toHaveLength(1);
    expect((await opened.pool?.query('select count(*) from campaigns'))?.rowCount).toBe(1);
    await expectWorkingQueue(opened);
    expect(await readdir(dataDir)).toEqual([]);
  });

  test('a server that starts later than the service is waited for', async () => {
    const clock = new TestClock();
    const warnings: string[] = [];
    const port = await freePort();
    const url = database.url.replace(`:${server.port}/`, `:${port}/`);
    const opening = open(
      { databaseUrl: url },
      { clock, logger: { ...silentLogger, warn: (text) => warnings.push(text) } },
    );
    await clock.untilSleeping();
    await clock.advance(1_000);
    await clock.untilSleeping();
    const gate = await forward(port, server.port);
    cleanups.unshift(gate);
    await clock.advance(1_000);
    const { database: opened } = await opening;
    await opened.records.ping();
    expect(warnings).toEqual(['The database cannot be reached yet']);
  });

  test('a server that never comes is given up, with its address and without its password', async () => {
    const clock = new TestClock();
    const port = await freePort();
    const opening = open(
      { databaseUrl: `postgres://someone:hidden@127.0.0.1:${port}/base` },
      { clock, patienceMs: 2_000 },
    );
    const failure = opening.catch((error: unknown) => error);
    for (let second = 0; second < 2; second++) {
      await clock.untilSleeping();
      await clock.advance(1_000);
    }
    expect(await failure).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: `The database at 127.0.0.1:${port}/base cannot be reached.`,
    });
  });

  test.each([
    ['a wrong password', (url: string) => url.replace('postgres:postgres@', 'postgres:wrong-password@')],
    ['a database that does not exist', (url: string) => url.replace(/\/[^/]+$/, '/nowhere')],
  ])('%s is told at once', async (_, spoil) => {
    const failure = await open({ databaseUrl: spoil(database.url) }, { clock: new TestClock() }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'DATABASE_REFUSED' });
    expect((failure as Error).message).not.toContain('wrong-password');
  });

  test('a loss and the return of the server are told once each', async () => {
    const port = await freePort();
    const close = await forward(port, server.port);
    const events = new EventBus();
    const seen: string[] = [];
    events.subscribe(({ type }) => seen.push(type));
    const { database: opened } = await open(
      { databaseUrl: database.url.replace(`:${server.port}/`, `:${port}/`) },
      { events },
    );
    await opened.records.ping();
    await close();
    for (let attempt = 0; attempt < 3; attempt++)
      await expect(opened.records.select('campaigns')).rejects.toBeInstanceOf(DatabaseUnavailableError);
    cleanups.unshift(await forward(port, server.port));
    await opened.records.ping();
    await opened.records.ping();
    await expect(opened.records.call('no_such_function', {})).rejects.toThrow();
    expect(seen).toEqual(['database.lost', 'database.restored']);
  });
});

describe('with SUPABASE_URL', () => {
  const project = () => ({ url: api.url, serviceRoleKey: api.key });

  test('records go to the project, the queue is embedded', async () => {
    const { database: opened, dataDir } = await open({ supabase: project() });
    expect([opened.kind, opened.pool]).toEqual(['supabase', null]);
    await opened.records.insert('idempotency_keys', [{ key: 'over the API', request_hash: 'h' }]);
    expect(await database.records.count('idempotency_keys', [{ column: 'key', op: 'eq', value: 'over the API' }])).toBe(
      1,
    );
    await expectWorkingQueue(opened);
    expect(await readdir(dataDir)).toContain('postgres');
  });

  test('and DATABASE_URL, the queue is there and the data folder stays empty', async () => {
    const { database: opened, dataDir } = await open({ supabase: project(), databaseUrl: database.url });
    expect(opened.kind).toBe('supabase');
    await expectWorkingQueue(opened);
    expect(await readdir(dataDir)).toEqual([]);
  });

  test('and DATABASE_URL, an absent queue is waited for and a refusing one is told at once', async () => {
    const clock = new TestClock();
    const port = await freePort();
    const databaseUrl = `postgres://someone:hidden@127.0.0.1:${port}/base`;
    const failure = open({ supabase: project(), databaseUrl }, { clock, patienceMs: 1_000 }).catch(
      (error: unknown) => error,
    );
    await clock.untilSleeping();
    await clock.advance(1_000);
    expect(await failure).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: `The queue's database at 127.0.0.1:${port}/base cannot be reached.`,
    });
    const wrong = database.url.replace('postgres:postgres@', 'postgres:wrong-password@');
    await expect(open({ supabase: project(), databaseUrl: wrong })).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
    });
  });

  test('a wrong key and a missing schema are told at once', async () => {
    await expect(open({ supabase: { ...project(), serviceRoleKey: 'wrong' } })).rejects.toMatchObject({
      code: 'SUPABASE_KEY_REFUSED',
    });
    const pool = quietPool({ connectionString: await server.createEmptyDatabase() });
    const empty = await startPostgrest(pool);
    cleanups.push(async () => {
      await empty.close();
      await pool.end();
    });
    await expect(open({ supabase: { url: empty.url, serviceRoleKey: empty.key } })).rejects.toMatchObject({
      code: 'SUPABASE_SCHEMA_MISSING',
    });
  });

  test('a project that does not answer is waited for', async () => {
    const clock = new TestClock();
    const supabase = { url: `http://127.0.0.1:${await freePort()}`, serviceRoleKey: 'k' };
    const failure = open({ supabase }, { clock, patienceMs: 1_000 }).catch((error: unknown) => error);
    await clock.untilSleeping();
    await clock.advance(1_000);
    expect(await failure).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: 'The Supabase project cannot be reached.',
    });
  });
});

/** Forwards a port, until closed; closing ends the connections through it too. */
async function forward(port: number, to: number): Promise<() => Promise<void>> {
  const sockets = new Set<{ destroy(): void }>();
  const gate: Server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => gate.listen(port, '127.0.0.1', resolve));
  return () =>
    new Promise((resolve) => {
      gate.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
}
