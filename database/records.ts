import { DatabaseUnavailableError } from '../shared/errors.ts';
import type { Tables } from './tables.ts';

export type TableName = keyof Tables;
export type Row<T extends TableName> = Tables[T];
export type Column<T extends TableName> = keyof Tables[T] & string;
export type Value = string | number | boolean | null;

/** A condition on one column; conditions of a list are joined by AND. `is` tests for null or a boolean. */
export type Filter<T extends TableName> =
  | { column: keyof Tables[T] & string; op: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte'; value: Value }
  | { column: keyof Tables[T] & string; op: 'in'; value: readonly (string | number)[] }
  | { column: keyof Tables[T] & string; op: 'is' | 'is_not'; value: null | boolean };

export interface Query<T extends TableName, C extends Column<T> = Column<T>> {
  /** The columns to read; every one when not given. What is ordered by is among them. */
  columns?: readonly C[];
  where?: readonly Filter<T>[];
  order?: readonly { column: NoInfer<C>; descending?: boolean }[];
  /** Rows at most. Without it every matching row comes, read page by page where the server caps a page. */
  limit?: number;
}

/**
 * The one way to the records. Two adapters: SQL (Postgres, or the embedded database) and Supabase's API. Times cross as ISO
 * text in UTC with milliseconds, bigint columns as safe integers, jsonb as plain values. There are no transactions here:
 * whatever must be atomic beyond one row is a Postgres function in a migration, reached by `call`.
 *
 * Every method rejects with {@link DatabaseUnavailableError} when the database cannot be reached (worth a retry), and
 * with {@link RecordsError} when it refused the statement.
 */
export interface Records {
  /** Inserts and returns the rows as stored. `conflict: 'ignore'` leaves out rows whose key exists. */
  insert<T extends TableName>(
    table: T,
    rows: readonly Partial<Row<T>>[],
    options?: { conflict?: 'error' | 'ignore' },
  ): Promise<Row<T>[]>;
  /** Inserts, or replaces the given columns of rows with the same key columns; returns the rows as stored. */
  upsert<T extends TableName>(
    table: T,
    rows: readonly Partial<Row<T>>[],
    key: readonly (keyof Row<T> & string)[],
  ): Promise<Row<T>[]>;
  /** Changes the rows that match and returns them; an empty answer means that none did (compare-and-set lost). */
  update<T extends TableName>(table: T, patch: Partial<Row<T>>, where: readonly Filter<T>[]): Promise<Row<T>[]>;
  remove<T extends TableName>(table: T, where: readonly Filter<T>[]): Promise<number>;
  select<T extends TableName, C extends Column<T> = Column<T>>(
    table: T,
    query?: Query<T, C>,
  ): Promise<Pick<Row<T>, NoInfer<C>>[]>;
  count<T extends TableName>(table: T, where?: readonly Filter<T>[]): Promise<number>;
  /** Calls a Postgres function with named arguments and returns its jsonb (or scalar) result. */
  call<R>(name: string, args: Record<string, unknown>): Promise<R>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The database refused a statement. `sqlState` is the five-character SQLSTATE, or PostgREST's own code. */
export class RecordsError extends Error {
  readonly code = 'RECORDS_REFUSED';
  readonly retryable = false;
  readonly sqlState: string;

  constructor(sqlState: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'RecordsError';
    this.sqlState = sqlState;
  }
}

/**
 * SQLSTATEs that speak of the connection, the server or other transactions rather than of the statement: it may succeed when it
 * is sent again. Connection (08) and resources (53), a server that shuts down (57P0x) or takes no writes (25006), time
 * used up (57014), and contention.
 */
const TRANSIENT_STATE = /^(08...|53...|57P0.|57014|25006|40001|40P01|55P03)$/;
const CONTENTION_STATE = /^(40001|40P01|55P03)$/;

/** Whether a statement refused with this SQLSTATE may succeed when it is sent again. */
export function isTransientState(sqlState: string): boolean {
  return TRANSIENT_STATE.test(sqlState);
}

/** The SQLSTATE, or the code of another kind, that anything thrown carries; empty without one. */
export function stateOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}

/** Whether the database broke a statement off for the sake of another transaction: nothing was done, nothing is amiss. */
export function isContention(error: unknown): boolean {
  return error instanceof DatabaseUnavailableError && CONTENTION_STATE.test(stateOf(error.cause));
}
