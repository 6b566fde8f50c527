import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { Agent } from 'undici';
import { AppError } from '../shared/errors.ts';
import { COLUMNS, columnNames, givenColumns, kindOf, PRIMARY_KEYS, readColumns, upsertColumns } from './columns.ts';
import type { Column, Filter, Query, Records, Row, TableName } from './records.ts';
import { RecordsError } from './records.ts';
import { refuseUnfiltered } from './sql.ts';
import { checkNames } from './statements.ts';
import { mergeParts, splitLongLists } from './long-lists.ts';
import { addFilters, apiError, apiFetch, type ApiAnswer, type Fetch } from './supabase-api.ts';
import type { Json } from './tables.ts';
import { answerFromJson, rowFromJson } from './values.ts';

/** The API returns no more rows than this in one answer (a setting of the project), and does not say that it cut. */
const PAGE = 1_000;
const TIMEOUT_MS = 15_000;

export interface SupabaseOptions {
  /** In place of undici's fetch, for tests. */
  fetch?: Fetch;
  /** For one request, the reading of its answer included. */
  timeoutMs?: number;
}

type JsonRow = Record<string, Json>;

/** The records in a Supabase project, through its REST API. */
export class SupabaseRecords implements Records {
  readonly #client: SupabaseClient;
  readonly #agent = new Agent({ connections: 20 });

  constructor(project: { url: string; serviceRoleKey: string }, options: SupabaseOptions = {}) {
    this.#client = createClient(project.url, project.serviceRoleKey, {
      auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
      // Its own retries wait up to seven seconds; retrying is decided by who calls.
      db: { retry: false },
      global: { fetch: apiFetch(options.timeoutMs ?? TIMEOUT_MS, this.#agent, options.fetch) },
    });
  }

  async insert<T extends TableName>(
    table: T,
    rows: readonly Partial<Row<T>>[],
    options: { conflict?: 'error' | 'ignore' } = {},
  ): Promise<Row<T>[]> {
    givenColumns(table, rows);
    if (rows.length === 0) return [];
    const given = rows.map(withoutUndefined);
    const from = this.#client.from(table);
    // Columns that a row leaves out take their default, not null.
    const request =
      options.conflict === 'ignore'
        ? from.upsert(given, {
            ignoreDuplicates: true,
            onConflict: PRIMARY_KEYS[table].join(','),
            defaultToNull: false,
          })
        : from.insert(given, { defaultToNull: false });
    return this.#rows(table, await request.select(columnsOf(table)));
  }

  async upsert<T extends TableName>(
    table: T,
    rows: readonly Partial<Row<T>>[],
    key: readonly (keyof Row<T> & string)[],
  ): Promise<Row<T>[]> {
    upsertColumns(table, rows);
    for (const column of key) kindOf(table, column);
    if (rows.length === 0) return [];
    const request = this.#client.from(table).upsert(rows.map(withoutUndefined), { onConflict: key.join(',') });
    return this.#rows(table, await request.select(columnsOf(table)));
  }

  async update<T extends TableName>(table: T, patch: Partial<Row<T>>, where: readonly Filter<T>[]): Promise<Row<T>[]> {
    refuseUnfiltered(where);
    givenColumns(table, [patch]);
    const changed: Row<T>[] = [];
    for (const part of splitLongLists(where)) {
      const request = addFilters(table, this.#client.from(table).update(withoutUndefined(patch)), part);
      changed.push(...this.#rows(table, await request.select(columnsOf(table))));
    }
    return changed;
  }

  async remove<T extends TableName>(table: T, where: readonly Filter<T>[]): Promise<number> {
    refuseUnfiltered(where);
    let removed = 0;
    for (const part of splitLongLists(where)) {
      const answer = await addFilters(table, this.#client.from(table).delete({ count: 'exact' }), part);
      removed += succeeded(answer).count ?? 0;
    }
    return removed;
  }

  async select<T extends TableName, C extends Column<T> = Column<T>>(
    table: T,
    query: Query<T, C> = {},
  ): Promise<Pick<Row<T>, C>[]> {
    for (const { column } of query.order ?? []) kindOf(table, column);
    const parts: Pick<Row<T>, C>[][] = [];
    for (const where of splitLongLists(query.where ?? []))
      parts.push(await this.#selectPages(table, { ...query, where }));
    return mergeParts(parts, query);
  }

  async count<T extends TableName>(table: T, where: readonly Filter<T>[] = []): Promise<number> {
    let total = 0;
    for (const part of splitLongLists(where)) {
      // Not a HEAD request: its answer has no body to tell an error by.
      const request = this.#client.from(table).select(PRIMARY_KEYS[table].join(','), { count: 'exact' });
      total += succeeded(await addFilters(table, request, part).limit(1)).count ?? 0;
    }
    return total;
  }

  async call<R>(name: string, args: Record<string, unknown>): Promise<R> {
    checkNames(name, args);
    return answerFromJson(succeeded(await this.#client.rpc(name, withoutUndefined(args))).data) as R;
  }

  async ping(): Promise<void> {
    succeeded(await this.#client.from('campaigns').select('id').limit(1));
  }

  /**
   * Resolves when the project has every table, column and right that the service needs.
   * @throws {AppError} SUPABASE_SCHEMA_MISSING or SUPABASE_KEY_REFUSED, saying what to do
   */
  async checkSchema(): Promise<void> {
    try {
      // The newest of the functions without which nothing runs: a project that is one version behind lacks it.
      await this.call('fire_due', { p_items: [], p_at: new Date().toISOString() });
      const tables = Object.keys(COLUMNS) as TableName[];
      await Promise.all(
        tables.map(async (table) => succeeded(await this.#client.from(table).select(columnsOf(table)).limit(1))),
      );
    } catch (error) {
      throw error instanceof RecordsError ? explained(error) : error;
    }
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  /** Reads page after page, in an order that the primary key makes total, until the count given with the first is reached. */
  async #selectPages<T extends TableName, C extends Column<T>>(
    table: T,
    query: Query<T, C>,
  ): Promise<Pick<Row<T>, C>[]> {
    const columns = readColumns(table, query).join(',');
    const wanted = query.limit ?? Number.POSITIVE_INFINITY;
    const rows: Pick<Row<T>, C>[] = [];
    let total = wanted;
    while (rows.length < Math.min(wanted, total)) {
      const counts = rows.length === 0 && wanted > PAGE;
      let request = addFilters(
        table,
        this.#client.from(table).select(columns, counts ? { count: 'exact' } : {}),
        query.where ?? [],
      );
      const order = query.order ?? [];
      for (const { column, descending } of order) request = request.order(column, { ascending: !descending });
      for (const column of PRIMARY_KEYS[table])
        if (!order.some((given) => given.column === column)) request = request.order(column);
      const size = Math.min(PAGE, wanted - rows.length);
      const answer = await request.range(rows.length, rows.length + size - 1);
      const page = this.#rows(table, answer);
      rows.push(...page);
      if (counts) total = answer.count ?? total;
      if (page.length === 0 || wanted <= PAGE) break;
    }
    return rows;
  }

  #rows<T extends TableName>(table: T, answer: ApiAnswer): Row<T>[] {
    const data = succeeded(answer).data as JsonRow[] | null;
    return (data ?? []).map((row) => rowFromJson(table, row));
  }
}

const columnsOf = (table: TableName) => columnNames(table).join(',');

function withoutUndefined(row: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

function succeeded<A extends ApiAnswer>(answer: A): A {
  if (answer.error) throw apiError(answer);
  return answer;
}

function explained(error: RecordsError): AppError {
  const { sqlState } = error;
  if (/^(PGRST20[0-9]|42P01|42883|42703)$/.test(sqlState))
    return new AppError(
      'SUPABASE_SCHEMA_MISSING',
      503,
      `The Supabase project lacks tables or functions of this version (${error.message}). ` +
        'Apply the migrations with: supabase db push --workdir database',
      { cause: error },
    );
  if (/^(42501|HTTP40[13]|PGRST30[0-9])$/.test(sqlState))
    return new AppError(
      'SUPABASE_KEY_REFUSED',
      503,
      "The Supabase project refused SUPABASE_SERVICE_ROLE_KEY. Copy a secret key, or the service_role key, from the project's API settings.",
      { cause: error },
    );
  return new AppError('DATABASE_REFUSED', 503, `The Supabase project refused a request: ${error.message}`, {
    cause: error,
  });
}
