import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres';
import pg from 'pg';
import { sqlError, withClient } from '../../database/sql.ts';
import type { Clock } from '../../shared/clock.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { firstIdAt, newId } from '../../shared/ids.ts';

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

/**
 * The checkpoints of planning graphs, with their tables made. A piece of planning is named by the id of its run, which holds its time; each
 * attempt at it writes a thread of its own, `<name>/<attempt>-<id>`, that begins where the highest attempt stands. A worker that lost its run
 * and does not know it yet has a lower one: it mixes nothing into what the next worker writes, and nobody goes on from what it writes.
 */
export class Checkpoints {
  readonly saver: PostgresSaver;
  readonly #pool: pg.Pool;

  private constructor(pool: pg.Pool) {
    this.#pool = forSaver(pool);
    this.saver = new PostgresSaver(this.#pool, undefined, { schema: SCHEMA });
  }

  /** @throws {DatabaseUnavailableError} as do the other methods, and those of the saver */
  static async open(pool: pg.Pool): Promise<Checkpoints> {
    const checkpoints = new Checkpoints(pool);
    await makeTables(checkpoints.#pool);
    return checkpoints;
  }

  /** Whether any attempt at this piece of planning has begun. */
  async isBegun(name: string): Promise<boolean> {
    const { rows } = await this.#pool.query(`select 1 from ${SCHEMA}.checkpoints where ${OF_NAME} limit 1`, [name]);
    return rows.length > 0;
  }

  /**
   * A new thread for an attempt, at the last checkpoint of the highest attempt so far; empty when there was none. Threads of those before that
   * one are removed.
   */
  async branch(name: string, attempt: number, clock: Clock): Promise<string> {
    const thread = `${name}/${String(attempt).padStart(6, '0')}-${newId(clock.now())}`;
    await this.#pool.query(BRANCH, [name, thread]);
    return thread;
  }

  /** Removes what is too old for anybody to come back to. */
  async removeOld(clock: Clock): Promise<void> {
    const oldest = firstIdAt(Math.max(0, clock.now() - KEPT_MS));
    for (const table of ['checkpoint_writes', 'checkpoint_blobs', 'checkpoints'])
      await this.#pool.query(`delete from ${SCHEMA}.${table} where thread_id collate "C" < $1`, [oldest]);
  }
}

/**
 * The threads of a piece of planning, with the one that all attempts shared before each had its own. The bounds, which hold in any
 * collation, are for the index.
 */
const OF_NAME = `thread_id >= $1 and thread_id <= $1 || '/zzzz' and (thread_id = $1 or starts_with(thread_id, $1 || '/'))`;

const removed = (table: string) =>
  `delete from ${SCHEMA}.${table} where ${OF_NAME} and thread_id <> (select thread_id from latest)`;

/** One statement, so that what it copies was there at one moment. */
const BRANCH = `with latest as (
    select * from ${SCHEMA}.checkpoints where ${OF_NAME} order by thread_id collate "C" desc, checkpoint_id collate "C" desc limit 1
  ), blobs as (
    insert into ${SCHEMA}.checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    select $2, b.checkpoint_ns, b.channel, b.version, b.type, b.blob
    from latest cross join jsonb_each_text(latest.checkpoint -> 'channel_versions') v
      join ${SCHEMA}.checkpoint_blobs b on b.thread_id = latest.thread_id and b.channel = v.key and b.version = v.value
  ), writes as (
    insert into ${SCHEMA}.checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob)
    select $2, w.checkpoint_ns, w.checkpoint_id, w.task_id, w.idx, w.channel, w.type, w.blob
    from ${SCHEMA}.checkpoint_writes w join latest using (thread_id, checkpoint_ns, checkpoint_id)
  ), no_writes as (${removed('checkpoint_writes')}), no_blobs as (${removed('checkpoint_blobs')}), no_more as (
    ${removed('checkpoints')}
  )
  insert into ${SCHEMA}.checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata)
  select $2, checkpoint_ns, checkpoint_id, null, type, checkpoint, metadata from latest`;
