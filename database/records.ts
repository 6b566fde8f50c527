import type { Tables } from './tables.ts';

export type TableName = keyof Tables;
export type Row<T extends TableName> = Tables[T];
export type Value = string | number | boolean | null;

/** A condition on one column; conditions of a list are joined by AND. `is` tests for null or a boolean. */
export type Filter<T extends TableName> =
  | { column: keyof Tables[T] & string; op: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte'; value: Value }
  | { column: keyof Tables[T] & string; op: 'in'; value: readonly (string | number)[] }
  | { column: keyof Tables[T] & string; op: 'is' | 'is_not'; value: null | boolean };

export interface Query<T extends TableName> {
  where?: readonly Filter<T>[];
  order?: readonly { column: keyof Tables[T] & string; descending?: boolean }[];
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
  select<T extends TableName>(table: T, query?: Query<T>): Promise<Row<T>[]>;
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
