import type { Pool } from 'pg';
import type { ConstructorOptions } from 'pg-boss';
import { systemClock, type Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { AppError, DatabaseUnavailableError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { watchAvailability } from './availability.ts';
import { openEmbedded } from './embedded.ts';
import { migrate } from './migrate.ts';
import { addressOf, ANSWER_LIMIT, connectPool, connectionOptions } from './postgres.ts';
import { RecordsError, type Records } from './records.ts';
import { SqlRecords } from './sql.ts';
import { SupabaseRecords } from './supabase.ts';

export interface Database {
  records: Records;
  /** Of the database that holds the records; null when they are reached through Supabase's API. */
  pool: Pool | null;
  /** Of the database that checkpoints of planning are kept in: that of the records where it can be reached, else that of the queue. */
  checkpoints: Pool;
  /** What pg-boss is made with. */
  boss: ConstructorOptions;
  kind: 'embedded' | 'postgres' | 'supabase';
  /** Ends everything that was opened. pg-boss must have been stopped before. */
  close(): Promise<void>;
}

export interface OpenOptions {
  logger: Logger;
  events?: EventBus;
  clock?: Clock;
  /** How long an absent server is waited for, in milliseconds. */
  patienceMs?: number;
}

/** Long enough for a database container that starts together with this one. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 1_000;

/** pg-boss: its workers, maintenance and the one listener. */
const QUEUE_CONNECTIONS = 5;

/**
 * Opens the records and the queue as the configuration has it: SUPABASE_URL → Supabase's API, with the queue on DATABASE_URL or
 * embedded; DATABASE_URL alone → both there; neither → both embedded in DATA_DIR. Brings the schema up to date, save over
 * Supabase's API, which cannot.
 * @throws {AppError} DATABASE_UNAVAILABLE, DATABASE_REFUSED, DATABASE_URL_POOLED, DATA_DIR_IN_USE, DATA_DIR_UNREADABLE,
 *   SUPABASE_SCHEMA_MISSING, SUPABASE_KEY_REFUSED
 */
export async function openDatabase(
  config: Pick<Config, 'dataDir' | 'databaseUrl' | 'supabase'>,
  options: OpenOptions,
): Promise<Database> {
  await using undo = new AsyncDisposableStack();
  const opened = config.supabase
    ? await openSupabase(config, config.supabase, options, undo)
    : config.databaseUrl === null
      ? await openInProcess(config.dataDir, options, undo)
      : await openPostgres(config.databaseUrl, options, undo);
  const stack = undo.move();
  const close = () => stack.disposeAsync();
  const { records } = opened;
  return { ...opened, records: options.events ? watchAvailability(records, options.events) : records, close };
}

type Opened = Omit<Database, 'close'>;
const leaveOpen = () => Promise.resolve();

async function openInProcess(dataDir: string, { logger }: OpenOptions, undo: AsyncDisposableStack): Promise<Opened> {
  const { pool, queue } = undo.use(await openEmbedded(dataDir, logger));
  await migrate(pool, logger);
  return { records: new SqlRecords(pool, leaveOpen), pool, checkpoints: pool, boss: queue, kind: 'embedded' };
}

async function openPostgres(url: string, options: OpenOptions, undo: AsyncDisposableStack): Promise<Opened> {
  const pool = connectPool(url, options.logger);
  undo.defer(() => pool.end());
  const records = new SqlRecords(pool, leaveOpen);
  await waitFor(() => records.ping(), `The database at ${addressOf(url)}`, options);
  await migrate(pool, options.logger);
  return { records, pool, checkpoints: pool, boss: queueOn(url), kind: 'postgres' };
}

async function openSupabase(
  config: Pick<Config, 'dataDir' | 'databaseUrl'>,
  supabase: { url: string; serviceRoleKey: string },
  options: OpenOptions,
  undo: AsyncDisposableStack,
): Promise<Opened> {
  const records = new SupabaseRecords(supabase);
  undo.defer(() => records.close());
  await waitFor(() => records.checkSchema(), 'The Supabase project', options);
  if (config.databaseUrl !== null) {
    await waitForQueue(config.databaseUrl, options);
    const checkpoints = connectPool(config.databaseUrl, options.logger);
    undo.defer(() => checkpoints.end());
    return { records, pool: null, checkpoints, boss: queueOn(config.databaseUrl), kind: 'supabase' };
  }
  const { pool, queue } = undo.use(await openEmbedded(config.dataDir, options.logger));
  return { records, pool: null, checkpoints: pool, boss: queue, kind: 'supabase' };
}

/** The queue opens its own connections later, and would say of an absent server only what the network says. */
async function waitForQueue(url: string, options: OpenOptions): Promise<void> {
  const records = new SqlRecords(connectPool(url, options.logger));
  try {
    await waitFor(() => records.ping(), `The queue's database at ${addressOf(url)}`, options);
  } finally {
    await records.close();
  }
}

function queueOn(url: string): ConstructorOptions {
  return { ...connectionOptions(url), ...ANSWER_LIMIT, max: QUEUE_CONNECTIONS };
}

/** Resolves when the database answers; one that is absent is asked again, one that refuses is not. */
async function waitFor(ask: () => Promise<unknown>, what: string, options: OpenOptions): Promise<void> {
  const clock = options.clock ?? systemClock;
  const end = clock.now() + (options.patienceMs ?? PATIENCE_MS);
  for (let told = false; ; told = true) {
    try {
      await ask();
      return;
    } catch (error) {
      if (error instanceof RecordsError)
        throw new AppError('DATABASE_REFUSED', 503, `${what} refused the connection: ${error.message}`, {
          cause: error,
        });
      if (!(error instanceof DatabaseUnavailableError)) throw error;
      if (clock.now() >= end)
        throw new AppError('DATABASE_UNAVAILABLE', 503, `${what} cannot be reached.`, {
          cause: error,
          retryable: true,
        });
      if (!told) options.logger.warn('The database cannot be reached yet', { what });
    }
    await clock.sleep(PAUSE_MS);
  }
}
