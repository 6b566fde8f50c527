import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { type Database, openDatabase } from '../../database/open.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { silentLogger } from '../../shared/logger.ts';
import { fillDataDir } from '../support/data-dir.ts';
import { type EmbeddedRecords, embeddedRecords } from '../support/records.ts';
import { Service, temporaryFolder } from '../support/service.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A folder with a database that has been opened and closed before; making one takes seconds. */
async function newFolder(): Promise<string> {
  const folder = await temporaryFolder();
  cleanups.push(() => folder.remove());
  await fillDataDir(folder.path);
  return folder.path;
}

async function open(dataDir: string): Promise<Database> {
  const database = await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger });
  cleanups.push(() => database.close());
  return database;
}

/** Runs a program that has the database `database` of this folder open, to its end. */
async function run(dataDir: string, program: string): Promise<{ code: number | null; out: string; err: string }> {
  const module = (path: string) => JSON.stringify(pathToFileURL(join(PROJECT_ROOT, path)).href);
  const source = `
    import { openDatabase } from ${module('database/open.ts')};
    import { silentLogger } from ${module('shared/logger.ts')};
    const database = await openDatabase({ dataDir: ${JSON.stringify(dataDir)}, databaseUrl: null, supabase: null }, { logger: silentLogger });
    ${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}

/** A function that calls itself without end, allowed deeper than WebAssembly's stack reaches: it breaks the database down. */
const OVERFLOW = `set max_stack_depth = '2MB';
  create or replace function fall(depth integer) returns integer language plpgsql as 'begin return fall(depth + 1); end';
  select fall(0)`;

describe('the thread of the embedded database', () => {
  test('leaves the event loop free while a statement runs', async () => {
    const dataDir = await newFolder();
    const { pool } = await open(dataDir);
    // Ends when the file is there, which this thread writes after some turns; an event loop that is kept waiting never does.
    const statement = pool?.query(`do $$ begin
      while (pg_stat_file('released', true)).size is null loop
        if clock_timestamp() > now() + interval '20 seconds' then raise 'nobody wrote the file'; end if;
      end loop; end $$`);
    const released = (async () => {
      for (let turns = 0; turns < 100; turns++) await nextTurn();
      await writeFile(join(dataDir, 'postgres', 'released'), 'yes');
    })();
    await Promise.all([statement, released]);
  });

  test('refuses a statement that needs too much stack, and goes on', async () => {
    const { pool, records } = await open(await newFolder());
    await expect(pool?.query(OVERFLOW.replace('2MB', '1MB'))).rejects.toMatchObject({ code: '54001' });
    await records.ping();
  });

  test('that breaks down fails its callers at once and ends the process with the reason', async () => {
    const { code, out, err } = await run(
      await newFolder(),
      `process.once('uncaughtException', async (error) => {
         console.log(error.code);
         await Promise.all([statement, waiting]);
         await database.records.ping().catch((later) => console.log(later.code));
         await database.close();
         throw error;
       });
       const tell = (error) => console.log(error.name);
       const statement = database.pool.query(${JSON.stringify(OVERFLOW)}).catch(tell);
       const waiting = database.records.ping().catch((error) => console.log(error.code));`,
    );
    expect(out.split('\n').toSorted()).toEqual([
      '',
      'DATABASE_UNAVAILABLE',
      'DATABASE_UNAVAILABLE',
      'EMBEDDED_DATABASE_ENDED',
      'Error',
    ]);
    expect(err).toContain('broken down in a statement');
    expect(code).not.toBe(0);
  });

  test('that ends stops the service, which says why', async () => {
    const folder = await newFolder();
    const flag = join(folder, 'end');
    await writeFile(
      join(folder, 'preload.mjs'),
      `import { existsSync } from 'node:fs';
       import { isMainThread } from 'node:worker_threads';
       if (!isMainThread) setInterval(() => existsSync(${JSON.stringify(flag)}) && process.exit(7), 20).unref();`,
    );
    const service = await Service.start({
      DATA_DIR: folder,
      NODE_OPTIONS: `--import=${pathToFileURL(join(folder, 'preload.mjs')).href}`,
    });
    cleanups.push(() => service.end('SIGKILL'));
    const ended = once(service.process, 'exit');
    await writeFile(flag, '');
    expect(await ended).toEqual([1, null]);
    expect(service.log).toContain('EMBEDDED_DATABASE_ENDED');
    expect(service.log).toContain('Its thread ended with 7.');
  });

  test('does not keep a process alive that has nothing else to do', async () => {
    const { code, out, err } = await run(await newFolder(), "console.log('done')");
    expect({ code, out, err }).toEqual({ code: 0, out: 'done\n', err: '' });
  });
});

describe('the session of the embedded database', () => {
  let records: EmbeddedRecords;
  beforeAll(async () => {
    records = await embeddedRecords();
  });
  afterAll(() => records.close());

  test('passes from a client that is thrown away with no transaction open and no answer left', async () => {
    const client = await records.pool.connect();
    client.on('error', () => undefined);
    await client.query('begin');
    await client.query("insert into idempotency_keys (key, request_hash) values ('lost', 'h')");
    const stale = client.query("select 'stale' as answer").catch((error: unknown) => error);
    client.release(true);
    expect((await records.pool.query("select 'mine' as answer")).rows).toEqual([{ answer: 'mine' }]);
    expect(await stale).toBeInstanceOf(Error);
    expect(await records.count('idempotency_keys')).toBe(0);
    expect((await records.pool.query('select pg_current_xact_id_if_assigned() as open')).rows).toEqual([
      { open: null },
    ]);
  });

  test('takes and gives more than fits into one turn, in several', async () => {
    const given = 'ä'.repeat(2_000_000);
    const answer = records.pool.query<{ line: string }>(
      "select $1::text || number as line from generate_series(1, 2) number union all select 'end'",
      [given],
    );
    const counting = new AbortController();
    let turns = 0;
    const count = (async () => {
      for (; !counting.signal.aborted; turns++) await nextTurn();
    })();
    const { rows } = await answer.finally(() => counting.abort());
    await count;
    expect(rows.map(({ line }) => line)).toEqual([`${given}1`, `${given}2`, 'end']);
    expect(turns).toBeGreaterThan(50);
  });

  test('tells listeners of notifications until they stop listening', async () => {
    const { db } = records.queue;
    const heard: string[] = [];
    const told = (payload: string) => db?.executeSql(`select pg_notify('news of "all"', '${payload}')`);
    const first = await db?.listen?.(
      'news of "all"',
      (payload) => heard.push(`first ${payload}`),
      () => undefined,
    );
    const second = await db?.listen?.(
      'news of "all"',
      (payload) => heard.push(`second ${payload}`),
      () => undefined,
    );
    await told('a');
    await first?.close();
    await told('b');
    await second?.close();
    await told('c');
    expect(heard).toEqual(['first a', 'second a', 'second b']);
  });
});
