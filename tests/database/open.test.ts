import { afterEach, describe, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PgBoss } from 'pg-boss';
import { type Database, openDatabase } from '../../database/open.ts';
import { silentLogger } from '../../shared/logger.ts';
import { fillDataDir } from '../support/data-dir.ts';
import { compileCache } from '../support/made-once.ts';

const WRITER = join(import.meta.dirname, 'writer.ts');

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function emptyDataDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-data-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with a database that has been opened and closed before; making one takes seconds. */
async function newDataDir(): Promise<string> {
  const folder = await emptyDataDir();
  await fillDataDir(folder);
  return folder;
}

async function open(dataDir: string): Promise<Database> {
  const database = await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger });
  cleanups.push(() => database.close());
  return database;
}

interface Writer {
  process: ChildProcess;
  /** Resolves with the first line that the test accepts; rejects when the process ends before. */
  line(accept: (line: string) => boolean): Promise<string>;
  lines: string[];
  kill(): Promise<void>;
}

function startWriter(dataDir: string, from = 0): Writer {
  const child = spawn(process.execPath, [WRITER, dataDir, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...compileCache() },
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  };
  cleanups.push(kill);
  const line = (accept: (line: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = lines.find(accept);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      child.once('close', () => reject(new Error(`the process ended: ${lines.join(' | ')}`)));
      look();
    });
  return { process: child, line, lines, kill };
}

describe('the embedded database', () => {
  test('keeps what was written from one start to the next', async () => {
    const dataDir = join(await emptyDataDir(), 'made', 'when-missing');
    const first = await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger });
    expect(first.kind).toBe('embedded');
    await first.records.insert('idempotency_keys', [{ key: 'kept', request_hash: 'h' }]);
    await first.close();
    await first.close();
    const second = await open(dataDir);
    expect(await second.records.count('idempotency_keys')).toBe(1);
  });

  test('killed in the middle of writing, again and again, opens with every row that was committed', async () => {
    const dataDir = await newDataDir();
    let committed = -1;
    for (let round = 0; round < 3; round++) {
      const target = committed + 150;
      // A row may be committed without having been told; the next round goes on behind it.
      const writer = startWriter(dataDir, committed + 2);
      await writer.line((line) => Number(line) >= target);
      await writer.kill();
      committed = Math.max(...writer.lines.map(Number).filter(Number.isFinite));
    }
    const { records } = await open(dataDir);
    const keys = new Set((await records.select('idempotency_keys')).map((row) => Number(row.key.slice(1))));
    expect(keys.has(committed)).toBe(true);
    expect(keys.size).toBeGreaterThanOrEqual(committed - 3);
    await records.insert('idempotency_keys', [{ key: 'after', request_hash: 'h' }]);
  });

  test('killed while it was being made is made anew', async () => {
    const dataDir = await emptyDataDir();
    await mkdir(join(dataDir, 'postgres', 'base'), { recursive: true });
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '18\n');
    const { records } = await open(dataDir);
    expect(await records.count('campaigns')).toBe(0);
    const [aside] = (await readdir(dataDir)).filter((name) => name.startsWith('postgres.unfinished-'));
    expect(await readdir(join(dataDir, aside ?? ''))).toEqual(['PG_VERSION', 'base']);
  });

  test('serves pg-boss and records beside each other without mixing up their statements', async () => {
    const { records, boss: options } = await open(await newDataDir());
    const boss = new PgBoss({ ...options, useListenNotify: true });
    const errors: unknown[] = [];
    boss.on('error', (error) => errors.push(error));
    await boss.start();
    await boss.createQueue('runs', { notify: true });
    const done = new Set<unknown>();
    const all = Promise.withResolvers<void>();
    await boss.work<{ index: number }>(
      'runs',
      { batchSize: 20, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 },
      async (jobs) => {
        for (const job of jobs) done.add(job.data.index);
        if (done.size === 100) all.resolve();
        return Promise.resolve();
      },
    );
    const indexes = Array.from({ length: 100 }, (_, index) => index);
    const answers = await Promise.all(
      indexes.flatMap((index) => [
        boss.send('runs', { index }),
        records
          .insert('idempotency_keys', [{ key: `k${index}`, request_hash: `h${index}` }])
          .then((rows) => rows[0]?.request_hash),
        records
          .insert('idempotency_keys', [{ key: 'refused', request_hash: null as unknown as string }])
          .catch(() => 'refused'),
      ]),
    );
    expect(answers.filter((_, at) => at % 3 === 1)).toEqual(indexes.map((index) => `h${index}`));
    expect(answers.filter((_, at) => at % 3 === 2)).toEqual(indexes.map(() => 'refused'));
    await all.promise;
    await boss.stop();
    expect(errors).toEqual([]);
    expect(await records.count('idempotency_keys')).toBe(100);
  });

  test('a failed transaction of the queue ends there, and each side gets its own types', async () => {
    const { records, boss } = await open(await newDataDir());
    await expect(boss.db?.executeSql('begin; select 1 / 0; commit')).rejects.toThrow('division by zero');
    const [row] = await records.insert('idempotency_keys', [
      { key: 'k', request_hash: 'h', created_at: '2026-01-05T09:00:00.123Z' },
    ]);
    const both = await boss.db?.executeSql('begin; select created_at from idempotency_keys; commit');
    expect(both?.rows).toEqual([{ created_at: new Date(row?.created_at ?? '') }]);
    expect(await records.select('idempotency_keys')).toEqual([row]);
  });
});

describe('the lock on the data folder', () => {
  test('refuses a second process, names the first and says what to do', async () => {
    const dataDir = await newDataDir();
    const first = startWriter(dataDir);
    await first.line((line) => line === 'open');
    expect(await readFile(join(dataDir, 'lock.pid'), 'utf8')).toBe(`${first.process.pid}\n`);
    await expect(open(dataDir)).rejects.toMatchObject({
      code: 'DATA_DIR_IN_USE',
      message: expect.stringMatching(new RegExp(`process ${first.process.pid}\\..*DATA_DIR`)),
    });
    // The refusal must not have taken anything from the holder.
    const last = Math.max(...first.lines.map(Number).filter(Number.isFinite), 0);
    await first.line((line) => Number(line) > last + 5);
    await expect(open(dataDir)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
  });

  test('refuses the same process a second time', async () => {
    const dataDir = await newDataDir();
    await open(dataDir);
    await expect(open(dataDir)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
  });

  test('of a process that was killed is free at once, whoever has its number now', async () => {
    const dataDir = await newDataDir();
    const first = startWriter(dataDir);
    await first.line((line) => line === 'open');
    await first.kill();
    // As in a container that starts anew, where the same number always belongs to the same program.
    await writeFile(join(dataDir, 'lock.pid'), `${process.pid}\n`);
    const { records } = await open(dataDir);
    await records.ping();
  });

  test('is given back on close, and when opening fails', async () => {
    const dataDir = await newDataDir();
    const postgres = join(dataDir, 'postgres');
    await rm(join(postgres, 'global'), { recursive: true });
    await expect(open(dataDir)).rejects.toMatchObject({
      code: 'DATA_DIR_UNREADABLE',
      message: expect.stringContaining(postgres),
    });
    await fillDataDir(dataDir);
    const database = await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger });
    await database.close();
    expect(await readdir(dataDir)).not.toContain('lock.pid');
    await open(dataDir);
  });
});
