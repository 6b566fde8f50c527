import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres';
import pg from 'pg';
import type { Clock } from '../../shared/clock.ts';
import { firstIdAt } from '../../shared/ids.ts';

/** A schema of their own: what stands in `public` would be offered by Supabase's API. */
const SCHEMA = 'langgraph';
/** Another replica may make the tables at the same moment, and the one that is late then fails. */
const SETUP_TRIES = 5;
/** Longer than any question waits for its answer. */
const KEPT_MS = 120 * 86_400_000;

type Query = (text: string, values?: unknown[]) => Promise<unknown>;

/** The pool of the records as the saver needs it: with values of Postgres as pg reads them by itself, not as records cross the port. */
function withUsualTypes(pool: pg.Pool): pg.Pool {
  const queryOf =
    (target: Pick<pg.ClientBase, 'query'>): Query =>
    (text, values) =>
      target.query({ text, ...(values ? { values } : {}), types: pg.types } as pg.QueryConfig);
  const connect = async () => {
    const client = await pool.connect();
    return { query: queryOf(client), release: (error?: Error | boolean) => client.release(error) };
  };
  return { connect, query: queryOf(pool as unknown as pg.ClientBase) } as unknown as pg.Pool;
}

/**
 * The checkpoints of planning graphs, in the database of the records, with their tables made. Threads are named by ids of runs, which hold
 * their time: those too old for anybody to come back to are removed.
 */
export async function openCheckpoints(pool: pg.Pool, clock: Clock): Promise<PostgresSaver> {
  const saver = new PostgresSaver(withUsualTypes(pool), undefined, { schema: SCHEMA });
  for (let tries = 1; ; tries += 1)
    try {
      await saver.setup();
      break;
    } catch (error) {
      if (tries === SETUP_TRIES) throw error;
      await clock.sleep(100 * tries);
    }
  const oldest = firstIdAt(Math.max(0, clock.now() - KEPT_MS));
  for (const table of ['checkpoint_writes', 'checkpoint_blobs', 'checkpoints'])
    await pool.query(`delete from ${SCHEMA}.${table} where thread_id < $1`, [oldest]);
  return saver;
}
