import type { PGlite } from '@electric-sql/pglite';
import { createPgConfig } from '@electric-sql/pglite/node-postgres';
import { Pool, types, type PoolClient, type PoolConfig, type QueryResult } from 'pg';
import type { ConstructorOptions, Db } from 'pg-boss';
import { recordTypes } from './sql.ts';

/**
 * A pool of the one connection that the embedded database has. Everything must go through it: the library sends a statement in
 * several messages, and a query given to `pglite` directly may come between them and take their place.
 */
export function embeddedPool(pglite: PGlite): Pool {
  // The connection object is handed on from client to client, so the pool must not give the client up when idle.
  const { connection } = createPgConfig(pglite);
  const config: PoolConfig & { connection: unknown } = { connection, max: 1, idleTimeoutMillis: 0, types: recordTypes };
  return new Pool(config);
}

/**
 * pg-boss on the embedded database. Its own adapter talks to `pglite` directly, which must not happen beside a pool (see
 * {@link embeddedPool}); this one takes the pool's client for each statement and rolls back what failed before it gives it back.
 */
export function embeddedQueue(pool: Pool, pglite: PGlite): ConstructorOptions {
  const exclusively = async <R>(work: (client: PoolClient) => Promise<R>): Promise<R> => {
    const client = await pool.connect();
    try {
      return await work(client);
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      client.release();
    }
  };
  const db: Db = {
    async executeSql(text, values) {
      // pg's own types, which pg-boss expects, and not the pool's.
      const config = { text, types, ...(values?.length ? { values } : {}) };
      const result: QueryResult | QueryResult[] = await exclusively((client) => client.query(config));
      return { rows: [result].flat().flatMap((each) => each.rows as unknown[]) };
    },
    async listen(channel, onNotification, onReconnect) {
      const unlisten = await exclusively(() => pglite.listen(channel, onNotification));
      onReconnect();
      return { close: () => exclusively(() => unlisten()) };
    },
  };
  return { db, backend: 'pglite' };
}
