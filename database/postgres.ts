import { Pool, type PoolConfig } from 'pg';
import { AppError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { recordTypes } from './sql.ts';

/** Connections for records: group commit needs few, and a Supabase project in its smallest size gives 60 in all. */
const MAX_CONNECTIONS = 10;
/** An idle connection is kept longer than the minute between two schedules: a new one has to make the plans of all functions again. */
const IDLE_MS = 300_000;
const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** Tells the service's connections from others; what keeps decisions in their chain goes by it, too. */
export const APPLICATION_NAME = 'pipeline-orchestrator';
/** A little more than the server's own limit, for a server that no longer answers at all. Goes to pg, of pg-boss too. */
export const ANSWER_LIMIT = { query_timeout: STATEMENT_TIMEOUT_MS + 5_000 };

/** Host, port and database of a connection string, without its user and password: fit for messages. */
export function addressOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}:${port || 5432}${pathname}`;
}

/**
 * How to connect, for a pool and for pg-boss alike.
 * @throws {AppError} DATABASE_URL_POOLED for Supabase's transaction pooler
 */
export function connectionOptions(url: string) {
  const { hostname, port, searchParams } = new URL(url);
  const isSupabase = /\.supabase\.(co|com)$/.test(hostname);
  if (isSupabase && port === '6543')
    throw new AppError(
      'DATABASE_URL_POOLED',
      503,
      'DATABASE_URL is the transaction pooler (port 6543), which cannot hold the session that the queue listens on. ' +
        'Use the session pooler or the direct connection (port 5432).',
    );
  return {
    connectionString: url,
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    // Supabase signs its servers with an authority of its own. Without an sslmode in the string the connection is
    // encrypted, and not checked against that authority.
    ...(isSupabase && !searchParams.has('sslmode') ? { ssl: { rejectUnauthorized: false } } : {}),
  };
}

/** A pool for records; connects when first used. A connection lost while idle is logged and replaced, never thrown. */
export function connectPool(url: string, logger: Logger): Pool {
  const config: PoolConfig = {
    ...connectionOptions(url),
    max: MAX_CONNECTIONS,
    idleTimeoutMillis: IDLE_MS,
    types: recordTypes,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    ...ANSWER_LIMIT,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
  };
  const pool = new Pool(config);
  pool.on('error', (error) => logger.warn('An idle database connection was lost', { error }));
  // Between the pool and whoever asked for it a new connection is nobody's. A server that goes away at that moment says so
  // in the same packet, and an error event without a listener would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
