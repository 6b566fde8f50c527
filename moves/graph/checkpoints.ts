import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres';
import pg from 'pg';
import { sqlError, withClient } from '../../database/sql.ts';
import type { Clock } from '../../shared/clock.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { firstIdAt } from '../../shared/ids.ts';

/** A schema of their own: what stands in `public` would be offered by Supabase's API. */
const SCHEMA = 'langgraph';
/** An arbitrary number that names the making of its tables among advisory locks. */
const SETUP_LOCK = 7_302_011_941;
/** Longer than any question waits for its answer. */
const KEPT_MS = 120 * 86_400_000;

type Query = (text: string, values?: unknown[]) => Promise<unknown>;

/** Values of Postgres come as pg reads them by itself, not as records cross the port. */
const send = (client: pg.ClientBase, text: string, values: unknown[] | undefined) =>
  client.query({ text, ...(values ? { values } : {}), types: pg.types } as pg.QueryConfig);

/** Whoever waits for a database that is away knows it by this error; any other the saver has to see as it is. */
function tellOutage(error: unknown): never {
  const known = sqlError(error);
  throw known instanceof DatabaseUnavailableError ? known : error;
}

/** Lends a client as the saver wants it, to be given back by `release`. */
function lend(pool: pg.Pool): Promise<{ query: Query; release(): void }> {
  return new Promise((resolve, reject) => {
    let failure: unknown;
    const lent = withClient(pool, (client) => {
      const { promise: use, resolve: end, reject: fail } = Promise.withResolvers<void>();
      const query: Query = (text, values) =>
        send(client, text, values).catch((error: unknown) => {
          failure ??= error;
          tellOutage(error);
        });
      resolve({ query, release: () => (failure === undefined ? end() : fail(failure)) });
      return use;
    });
    // Of a use that failed the saver knows already.
    lent.catch((error: unknown) => reject(sqlError(error)));
  });
}

/** The pool of the records, for the saver. */
function forSaver(pool: pg.Pool): pg.Pool {
  const query: Query = (text, values) => withClient(pool, (client) => send(client, text, values)).catch(tellOutage);
  return { query, connect: () => lend(pool) } as unknown as pg.Pool;
}

/** Makes the tables, unless they are there; replicas that start at the same moment do it one after the other. */
async function makeTables(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [SETUP_LOCK]);
    try {
      // On this client, since it may be the only one that there is.
      const only = { connect: () => Promise.resolve({ ...client, release: () => undefined }) };
      await new PostgresSaver(only as unknown as pg.Pool, undefined, { schema: SCHEMA }).setup();
    } finally {
      await client.query('select pg_advisory_unlock($1)', [SETUP_LOCK]);
    }
  } finally {
    client.release();
  }
}

/** Removes the checkpoints of threads that are too old for anybody to come back to. */
export async function removeOldThreads(pool: pg.Pool, clock: Clock): Promise<void> {
  const oldest = firstIdAt(Math.max(0, clock.now() - KEPT_MS));
  const saving = forSaver(pool);
  for (const table of ['checkpoint_writes', 'checkpoint_blobs', 'checkpoints'])
    await saving.query(`delete from ${SCHEMA}.${table} where thread_id collate "C" < $1`, [oldest]);
}

/**
 * The checkpoints of planning graphs, in the database of the records, with their tables made. Threads are named by ids of runs, which hold
 * their time.
 * @throws {DatabaseUnavailableError} as do the saver's own methods
 */
export async function openCheckpoints(pool: pg.Pool): Promise<PostgresSaver> {
  const saving = forSaver(pool);
  await makeTables(saving);
  return new PostgresSaver(saving, undefined, { schema: SCHEMA });
}
