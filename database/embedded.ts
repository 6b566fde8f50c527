import { EventEmitter } from 'node:events';
import { access, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PGlite } from '@electric-sql/pglite';
import { escapeIdentifier, Pool, types, type QueryConfig, type QueryResult } from 'pg';
import type { ConstructorOptions, Db } from 'pg-boss';
import { AppError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { lockDataDir } from './data-lock.ts';
import { backendOf, type Backend } from './embedded-backend.ts';
import { SessionStream } from './embedded-stream.ts';
import { DatabaseThread } from './embedded-thread.ts';
import { APPLICATION_NAME } from './postgres.ts';
import { recordTypes } from './sql.ts';

export interface EmbeddedDatabase extends AsyncDisposable {
  pool: Pool;
  queue: ConstructorOptions;
}

/**
 * Opens the database inside this process, in a thread of its own, with its files in `<dataDir>/postgres`; makes it the first time
 * (a few seconds).
 * @throws {AppError} DATA_DIR_IN_USE when another process has the folder, DATA_DIR_UNREADABLE when its files are damaged
 */
export async function openEmbedded(dataDir: string, logger: Logger): Promise<EmbeddedDatabase> {
  await using undo = new AsyncDisposableStack();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  undo.defer(await lockDataDir(dataDir));
  const folder = join(dataDir, 'postgres');
  await setAsideUnfinished(folder, logger);
  const open = () => DatabaseThread.open(folder).catch((error: unknown) => refuseFolder(folder, error));
  // Making a database takes twice the memory of one, which a thread gives back only with its end.
  if (!(await isThere(folder))) await (await open())[Symbol.asyncDispose]();
  const thread = undo.use(await open());
  await writeFile(join(folder, READY), '');
  const { pool, queue } = poolOn(thread);
  // As the connections of the service to a server are named.
  await pool.query(`set application_name = '${APPLICATION_NAME}'`);
  // Clients in use end first, but a statement that does not end is the thread's to cut off.
  undo.defer(() => Promise.race([pool.end(), sleep(END_MS, undefined, { ref: false })]));
  const opened = undo.move();
  return { pool, queue, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

function refuseFolder(folder: string, cause: unknown): never {
  throw new AppError(
    'DATA_DIR_UNREADABLE',
    503,
    `The embedded database in ${folder} does not open. Put a backup of the folder in its place, or move it away to start empty.`,
    { cause },
  );
}

/** How long a close waits for the clients in use, in milliseconds. */
const END_MS = 5_000;

/** Stands in the database's folder once it has been opened whole. */
const READY = 'pipeline-orchestrator.ready';

/**
 * A process killed while it made the database leaves a part of one, which would never open again and holds nothing yet. It is
 * moved aside rather than deleted, in case it is something else.
 */
async function setAsideUnfinished(folder: string, logger: Logger): Promise<void> {
  if (!(await isThere(folder)) || (await isThere(join(folder, READY)))) return;
  const aside = `${folder}.unfinished-${process.pid}-${Date.now()}`;
  await rename(folder, aside);
  logger.warn('The embedded database had not been made to the end and is made anew', { movedTo: aside });
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** A pool and a queue on a database in this thread, for tests and tools. */
export function embeddedPool(pglite: PGlite): Omit<EmbeddedDatabase, keyof AsyncDisposable> {
  return poolOn(backendOf(pglite));
}

/** A pool of the one session that the embedded database has, and pg-boss on that pool. */
function poolOn(backend: Backend): Omit<EmbeddedDatabase, keyof AsyncDisposable> {
  const pool = new Pool({
    stream: () => new SessionStream(backend),
    max: 1,
    // An idle client costs nothing.
    idleTimeoutMillis: 0,
    types: recordTypes,
    // Given, lest pg look for them in its own environment variables.
    host: 'localhost',
    user: 'postgres',
    database: 'postgres',
    ssl: false,
  });
  // The end of the database is told once, by its thread.
  pool.on('error', () => undefined);
  // Named with a sign before, because an event named "error" is thrown.
  const channels = new EventEmitter().setMaxListeners(0);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
    client.on('notification', ({ channel, payload }) => channels.emit(`#${channel}`, payload ?? ''));
  });
  const execute = async (text: string, values?: unknown[]): Promise<unknown[]> => {
    const client = await pool.connect();
    let broken = false;
    try {
      // pg-boss expects pg's own types.
      const config: QueryConfig = { text, types, ...(values?.length ? { values } : {}) };
      const result: QueryResult | QueryResult[] = await client.query(config);
      return [result].flat().flatMap((each) => each.rows as unknown[]);
    } catch (error) {
      // pg-boss sends whole transactions as one text, and leaves those that fail to the session.
      await client.query('rollback').catch(() => (broken = true));
      throw error;
    } finally {
      client.release(broken);
    }
  };
  const db: Db = {
    executeSql: async (text, values) => ({ rows: await execute(text, values) }),
    // The session lasts as long as the database, so a subscription holds whichever client is in use.
    async listen(channel, onNotification, onReconnect) {
      channels.on(`#${channel}`, onNotification);
      await execute(`listen ${escapeIdentifier(channel)}`);
      onReconnect();
      return {
        async close() {
          channels.off(`#${channel}`, onNotification);
          if (channels.listenerCount(`#${channel}`) === 0) await execute(`unlisten ${escapeIdentifier(channel)}`);
        },
      };
    },
  };
  return { pool, queue: { db, backend: 'pglite' } };
}
