import type pg from 'pg';
import { answerFromJson, isoTime, safeInteger } from './values.ts';
import { DatabaseUnavailableError, messageOf } from '../shared/errors.ts';
import type { Column, Filter, Query, Records, Row, TableName } from './records.ts';
import { isTransientState, RecordsError, stateOf } from './records.ts';
import {
  callStatement,
  countStatement,
  deleteStatement,
  ignoreConflicts,
  insertStatements,
  selectStatement,
  updateStatement,
  upsertStatements,
  type Statement,
} from './statements.ts';

/** Postgres type numbers, from pg_type.dat. */
const OID = {
  bool: 16,
  int8: 20,
  int2: 21,
  int4: 23,
  json: 114,
  float4: 700,
  float8: 701,
  timestamptz: 1184,
  numeric: 1700,
  jsonb: 3802,
};

const PARSERS = new Map<number, (text: string) => unknown>([
  [OID.bool, (text) => text === 't'],
  [OID.int2, Number],
  [OID.int4, Number],
  [OID.int8, safeInteger],
  [OID.float4, Number],
  [OID.float8, Number],
  [OID.numeric, Number],
  [OID.timestamptz, (text) => isoTime(text)],
  [OID.json, (text) => JSON.parse(text) as unknown],
  [OID.jsonb, (text) => JSON.parse(text) as unknown],
]);

const asText = (text: string) => text;

/**
 * Type parsers for the pool's `types` option: they belong to this pool's clients alone, because pg-boss and others in this
 * process expect pg's own.
 */
export const recordTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid: number) => PARSERS.get(oid) ?? asText,
};

const NETWORK_CODE = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/;
/** pg gives these without a code. */
const NETWORK_MESSAGE =
  /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error|not queryable|query read timeout|pool after calling end/i;

/** {@link DatabaseUnavailableError} when the database could not be reached or broke off, else {@link RecordsError}. */
export function sqlError(error: unknown): Error {
  if (error instanceof RecordsError || error instanceof DatabaseUnavailableError) return error;
  if (error instanceof TypeError || error instanceof RangeError) return error;
  const code = stateOf(error);
  const message = messageOf(error);
  if (isTransientState(code) || NETWORK_CODE.test(code) || (code === '' && NETWORK_MESSAGE.test(message)))
    return new DatabaseUnavailableError(error);
  if (error instanceof AggregateError) return new DatabaseUnavailableError(error);
  return new RecordsError(code || 'XX000', message, error);
}

/** The records in Postgres, or in the embedded database, through a pool whose clients use {@link recordTypes}. */
export class SqlRecords implements Records {
  readonly #pool: pg.Pool;
  readonly #close: () => Promise<void>;

  /** @param close ends what the pool stands on; ends the pool itself when not given */
  constructor(pool: pg.Pool, close: () => Promise<void> = () => pool.end()) {
    this.#pool = pool;
    this.#close = close;
  }

  async insert<T extends TableName>(
    table: T,
    rows: readonly Partial<Row<T>>[],
    options: { conflict?: 'error' | 'ignore' } = {},
  ): Promise<Row<T>[]> {
    return this.#write(insertStatements(table, rows, options.conflict === 'ignore' ? ignoreConflicts(table) : ''));
  }

  async upsert<T extends TableName>(
    table: T,
    rows: readonly Partial<Row<T>>[],
    key: readonly (keyof Row<T> & string)[],
  ): Promise<Row<T>[]> {
    return this.#write(upsertStatements(table, rows, key));
  }

  async update<T extends TableName>(table: T, patch: Partial<Row<T>>, where: readonly Filter<T>[]): Promise<Row<T>[]> {
    refuseUnfiltered(where);
    return (await this.#run<Row<T>>(updateStatement(table, patch, where))).rows;
  }

  async remove<T extends TableName>(table: T, where: readonly Filter<T>[]): Promise<number> {
    refuseUnfiltered(where);
    return (await this.#run(deleteStatement(table, where))).rowCount ?? 0;
  }

  async select<T extends TableName, C extends Column<T> = Column<T>>(
    table: T,
    query: Query<T, C> = {},
  ): Promise<Pick<Row<T>, C>[]> {
    return (await this.#run<Pick<Row<T>, C>>(selectStatement(table, query))).rows;
  }

  async count<T extends TableName>(table: T, where: readonly Filter<T>[] = []): Promise<number> {
    return (await this.#run<{ n: number }>(countStatement(table, where))).rows[0]?.n ?? 0;
  }

  async call<R>(name: string, args: Record<string, unknown>): Promise<R> {
    const { rows } = await this.#run<{ answer: unknown }>(callStatement(name, args));
    return answerFromJson(rows[0]?.answer ?? null) as R;
  }

  async ping(): Promise<void> {
    await this.#run({ text: 'select 1', values: [] });
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #run<R extends object>(statement: Statement): Promise<pg.QueryResult<R>> {
    try {
      return await withClient(this.#pool, (client) => client.query<R>(statement.text, statement.values));
    } catch (error) {
      throw sqlError(error);
    }
  }

  /** One statement as it is; several (beyond the parameter limit) as one transaction. */
  async #write<R extends object>(statements: Statement[]): Promise<R[]> {
    const [only, ...others] = statements;
    if (!only) return [];
    if (others.length === 0) return (await this.#run<R>(only)).rows;
    try {
      return await inTransaction(this.#pool, async (client) => {
        const rows: R[] = [];
        for (const { text, values } of statements) rows.push(...(await client.query<R>(text, values)).rows);
        return rows;
      });
    } catch (error) {
      throw sqlError(error);
    }
  }
}

/** Runs `work` in one transaction on a client of its own. Rejects with what `work` or the database threw. */
export async function inTransaction<R>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<R>): Promise<R> {
  return withClient(pool, async (client, discard) => {
    try {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      // A client that cannot even roll back is thrown away, not given to the next caller.
      await client.query('rollback').catch(discard);
      throw error;
    }
  });
}

/** The statement is over and its session as good as before: contention, time or resources used up. */
const KEEPS_SESSION = /^(40001|40P01|55P03|57014|53...)$/;

/**
 * Lends a client of the pool. Not `pool.query`, which throws the client away whenever a statement is refused: a new connection
 * each time on Postgres, and on the embedded database answers that then reach the next client and end the process.
 */
export async function withClient<R>(
  pool: pg.Pool,
  work: (client: pg.PoolClient, discard: () => void) => Promise<R>,
): Promise<R> {
  const client = await pool.connect();
  let broken = false;
  const discard = () => {
    broken = true;
  };
  // A connection that breaks tells so by an event too, which would end the process if nobody listened.
  client.on('error', discard);
  try {
    return await work(client, discard);
  } catch (error) {
    // Without an answer, or after one that ends the session, the connection is in no known state.
    if (sqlError(error) instanceof DatabaseUnavailableError && !KEEPS_SESSION.test(stateOf(error))) discard();
    throw error;
  } finally {
    client.off('error', discard);
    client.release(broken);
  }
}

/** Supabase's API refuses these too (pg-safeupdate), with this SQLSTATE. */
export function refuseUnfiltered(where: readonly unknown[]): void {
  if (where.length === 0)
    throw new RecordsError('21000', 'A change of every row of a table is refused; give a filter.');
}
