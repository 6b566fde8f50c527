import { access, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { createPgConfig } from '@electric-sql/pglite/node-postgres';
import { Pool, types, type PoolClient, type PoolConfig, type QueryResult } from 'pg';
import type { ConstructorOptions, Db } from 'pg-boss';
import { AppError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { lockDataDir } from './data-lock.ts';
import { recordTypes } from './sql.ts';

export interface EmbeddedDatabase extends AsyncDisposable {
  pool: Pool;
  queue: ConstructorOptions;
}

/**
 * Opens the database inside this process, with its files in `<dataDir>/postgres`; makes it the first time (a few seconds).
 * @throws {AppError} DATA_DIR_IN_USE when another process has the folder, DATA_DIR_UNREADABLE when its files are damaged
 */
export async function openEmbedded(dataDir: string, logger: Logger): Promise<EmbeddedDatabase> {
  await using undo = new AsyncDisposableStack();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  undo.defer(await lockDataDir(dataDir));
  const folder = join(dataDir, 'postgres');
  await setAsideUnfinished(folder, logger);
  const pglite = await PGlite.create(folder).catch((error: unknown) => refuseFolder(folder, error));
  undo.defer(() => pglite.close());
  await writeFile(join(folder, READY), '');
  const { pool, queue } = embeddedPool(pglite);
  undo.defer(() => pool.end());
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

/** Stands in the database's folder once it has been opened whole. */
const READY = 'pipeline-orchestrator.ready';

/**
 * A process killed while it made the database leaves a part of one, which would never open again and holds nothing yet. It is
 * moved aside rather than deleted, in case it is something else.
 */
async function setAsideUnfinished(folder: string, logger: Logger): Promise<void> {
  const there = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  if (!(await there(folder)) || (await there(join(folder, READY)))) return;
  const aside = `${folder}.unfinished-${process.pid}-${Date.now()}`;
  await rename(folder, aside);
  logger.warn('The embedded database had not been made to the end and is made anew', { movedTo: aside });
}

/**
 * A pool of the one connection that the embedded database has, and pg-boss on that pool.
 *
 * Everything must go through the pool: the library sends a statement in several messages, and a query given to `pglite` directly
 * may come between them and take their place. pg-boss's own adapter does just that, so it is not used. This one takes the
 * client for each statement, and rolls back what failed before it gives the client back.
 */
export function embeddedPool(pglite: PGlite): { pool: Pool; queue: ConstructorOptions } {
  // pg-boss expects pg's own types. A query cannot bring types along here (PGlite takes the field for something else).
  let typesInUse = recordTypes;
  const { connection } = createPgConfig(pglite);
  const config: PoolConfig & { connection: unknown } = {
    connection,
    max: 1,
    // The connection object is handed on from client to client, so an idle client is never given up.
    idleTimeoutMillis: 0,
    types: { getTypeParser: (...type: Parameters<typeof types.getTypeParser>) => typesInUse.getTypeParser(...type) },
  };
  const pool = new Pool(config);
  const exclusively = async <R>(work: (client: PoolClient) => Promise<R>): Promise<R> => {
    const client = await pool.connect();
    typesInUse = types;
    try {
      return await work(client);
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      typesInUse = recordTypes;
      client.release();
    }
  };
  const db: Db = {
    async executeSql(text, values) {
      const given = values?.length ? values : undefined;
      const result: QueryResult | QueryResult[] = await exclusively((client) => client.query(text, given));
      return { rows: [result].flat().flatMap((each) => each.rows as unknown[]) };
    },
    async listen(channel, onNotification, onReconnect) {
      const unlisten = await exclusively(() => pglite.listen(channel, onNotification));
      onReconnect();
      return { close: () => exclusively(() => unlisten()) };
    },
  };
  return { pool, queue: { db, backend: 'pglite' } };
}
