import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pool } from 'pg';

/**
 * A stand-in for a Supabase project's REST API: the part of PostgREST's protocol that the service speaks, put into SQL on a
 * database of the tests. Written from PostgREST's documentation; it refuses what it does not know.
 */
export interface PostgrestServer {
  url: string;
  key: string;
  close(): Promise<void>;
}

/** As Supabase sets `db-max-rows`. */
const MOST_ROWS = 1_000;
const KEY = 'service-role-key';

interface Answer {
  status: number;
  body: string;
  range?: string;
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function startPostgrest(pool: Pool): Promise<PostgrestServer> {
  const server = createServer((request, response) => {
    void answer(pool, request).then(({ status, body, range }) => {
      response.writeHead(status, {
        ...(status === 204 ? {} : { 'content-type': 'application/json' }),
        ...(range ? { 'content-range': range } : {}),
      });
      return response.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: KEY,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function answer(pool: Pool, request: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString();
  try {
    if (request.headers['apikey'] !== KEY || request.headers.authorization !== `Bearer ${KEY}`)
      return { status: 401, body: JSON.stringify({ message: 'Invalid API key', hint: 'Double check your API key.' }) };
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://api');
    const [, rpc] = /^\/rest\/v1\/rpc\/(\w+)$/.exec(pathname) ?? [];
    const [, table] = /^\/rest\/v1\/(\w+)$/.exec(pathname) ?? [];
    if (rpc) return await callFunction(pool, rpc, JSON.parse(body || '{}') as Record<string, unknown>);
    if (!table) throw new Refusal(404, 'PGRST125', 'Invalid path specified in request URL');
    const prefer = new Set(
      [request.headers['prefer'] ?? []]
        .flat()
        .join(',')
        .split(',')
        .map((part) => part.trim()),
    );
    return await new TableRequest(pool, table, searchParams, prefer).run(request.method ?? '', body);
  } catch (error) {
    return refusal(error);
  }
}

/** PostgREST's table of statuses, as far as it matters. */
const STATUS: Record<string, number> = { '23503': 409, '23505': 409, '42501': 403, '42P01': 404, '42883': 404 };

function refusal(error: unknown): Answer {
  const { code = 'XX000', message, status } = error as { code?: string; message: string; status?: number };
  return { status: status ?? STATUS[code] ?? 400, body: JSON.stringify({ code, message, details: null, hint: null }) };
}

async function callFunction(pool: Pool, name: string, args: Record<string, unknown>): Promise<Answer> {
  const { rows } = await pool.query<{ names: string; types: string }>(
    `select coalesce(array_to_json(proargnames), '[]')::text as names,
       (select coalesce(json_agg(t::regtype::text order by n), '[]') from unnest(proargtypes) with ordinality as a(t, n))::text as types
     from pg_proc where proname = $1 and pronamespace = 'public'::regnamespace`,
    [name],
  );
  const names = JSON.parse(rows[0]?.names ?? '[]') as string[];
  const types = JSON.parse(rows[0]?.types ?? '[]') as string[];
  const given = Object.keys(args);
  if (rows.length !== 1 || given.length !== names.length || given.some((each) => !names.includes(each)))
    throw new Refusal(404, 'PGRST202', `Could not find the function public.${name}(${given.join(', ')})`);
  const definitions = names.map((each, index) => `"${each}" ${types[index]}`).join(', ');
  const bindings = names.map((each) => `"${each}" => a."${each}"`).join(', ');
  const result = await pool.query<{ body: string | null }>(
    names.length === 0
      ? `select to_json(${name}())::text as body`
      : `select to_json(${name}(${bindings}))::text as body from json_to_record($1) as a(${definitions})`,
    names.length === 0 ? [] : [JSON.stringify(args)],
  );
  return { status: 200, body: result.rows[0]?.body ?? 'null' };
}

const OPERATORS: Record<string, string> = { eq: '=', neq: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' };
const quote = (name: string) => `"${name.replaceAll('"', '')}"`;
const list = (names: readonly string[]) => names.map(quote).join(', ');

class TableRequest {
  readonly #pool: Pool;
  readonly #table: string;
  readonly #query: URLSearchParams;
  readonly #prefer: ReadonlySet<string>;
  readonly #values: unknown[] = [];

  constructor(pool: Pool, table: string, query: URLSearchParams, prefer: ReadonlySet<string>) {
    this.#pool = pool;
    this.#table = table;
    this.#query = query;
    this.#prefer = prefer;
  }

  async run(method: string, body: string): Promise<Answer> {
    const found = await this.#pool.query("select 1 from pg_tables where schemaname = 'public' and tablename = $1", [
      this.#table,
    ]);
    if (found.rows.length === 0)
      throw new Refusal(404, 'PGRST205', `Could not find the table 'public.${this.#table}' in the schema cache`);
    if (method === 'GET') return this.#select();
    if (method === 'POST') return this.#insert(JSON.parse(body) as Record<string, unknown>[]);
    if (method === 'PATCH') return this.#update(JSON.parse(body) as Record<string, unknown>);
    if (method === 'DELETE') return this.#delete();
    throw new Refusal(405, 'PGRST117', `Unsupported HTTP method: ${method}`);
  }

  async #select(): Promise<Answer> {
    const where = this.#where();
    const order = (this.#query.get('order') ?? '')
      .split(',')
      .filter(Boolean)
      .map((part) => {
        const [, column = '', direction] = /^(\w+)\.(asc|desc)$/.exec(part) ?? [];
        return `${quote(column)} ${direction}`;
      });
    const limit = Math.min(Number(this.#query.get('limit') ?? MOST_ROWS), MOST_ROWS);
    const offset = Number(this.#query.get('offset') ?? 0);
    const inner = `select ${this.#columns()} from ${quote(this.#table)} t${where}${order.length > 0 ? ` order by ${order.join(', ')}` : ''} limit ${limit} offset ${offset}`;
    const { rows } = await this.#pool.query<{ body: string; n: number }>(
      `select coalesce(json_agg(r), '[]')::text as body, count(*) as n from (${inner}) r`,
      this.#values,
    );
    const total = this.#prefer.has('count=exact') ? await this.#count(where) : '*';
    const n = rows[0]?.n ?? 0;
    return {
      status: 200,
      body: rows[0]?.body ?? '[]',
      range: `${n === 0 ? '*' : `${offset}-${offset + n - 1}`}/${total}`,
    };
  }

  async #insert(rows: Record<string, unknown>[]): Promise<Answer> {
    const columns = (this.#query.get('columns') ?? Object.keys(rows[0] ?? {}).join(','))
      .split(',')
      .map((name) => name.replaceAll('"', ''));
    const conflict = this.#query.get('on_conflict')?.split(',') ?? [];
    const changes = columns.map((name) => `${quote(name)} = excluded.${quote(name)}`).join(', ');
    const onConflict = this.#prefer.has('resolution=ignore-duplicates')
      ? ` on conflict (${list(conflict)}) do nothing`
      : this.#prefer.has('resolution=merge-duplicates')
        ? ` on conflict (${list(conflict)}) do update set ${changes}`
        : '';
    // `missing=default` fills in each row's own defaults: here, groups of rows that give the same columns, in one transaction.
    const byDefault = this.#prefer.has('missing=default');
    const groups = Map.groupBy(rows, (row) =>
      list(byDefault ? columns.filter((name) => row[name] !== undefined) : columns),
    );
    const client = await this.#pool.connect();
    try {
      await client.query('begin');
      const written: string[] = [];
      for (const [given, group] of groups) {
        const result = await client.query<{ body: string }>(
          `with w as (insert into ${quote(this.#table)} (${given}) select ${given}
             from json_populate_recordset(null::${quote(this.#table)}, $1)${onConflict} returning ${this.#columns()})
           select coalesce(json_agg(w), '[]')::text as body from w`,
          [JSON.stringify(group)],
        );
        written.push((result.rows[0]?.body ?? '[]').slice(1, -1));
      }
      await client.query('commit');
      return this.#written(201, `[${written.filter(Boolean).join(',')}]`);
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }

  async #update(patch: Record<string, unknown>): Promise<Answer> {
    const where = this.#where();
    if (where === '') throw new Refusal(400, '21000', 'UPDATE requires a WHERE clause');
    this.#values.push(JSON.stringify(patch));
    const names = Object.keys(patch);
    const { rows } = await this.#pool.query<{ body: string }>(
      `with w as (update ${quote(this.#table)} t set ${names.map((name) => `${quote(name)} = v.${quote(name)}`).join(', ')}
         from json_populate_record(null::${quote(this.#table)}, $${this.#values.length}) v${where}
         returning ${this.#columns('t.')})
       select coalesce(json_agg(w), '[]')::text as body from w`,
      this.#values,
    );
    return this.#written(200, rows[0]?.body ?? '[]');
  }

  async #delete(): Promise<Answer> {
    const where = this.#where();
    if (where === '') throw new Refusal(400, '21000', 'DELETE requires a WHERE clause');
    const { rowCount } = await this.#pool.query(`delete from ${quote(this.#table)} t${where}`, this.#values);
    return { status: 204, body: '', range: `*/${this.#prefer.has('count=exact') ? rowCount : '*'}` };
  }

  #written(status: number, body: string): Answer {
    return this.#prefer.has('return=representation') ? { status, body } : { status, body: '' };
  }

  async #count(where: string): Promise<number> {
    const { rows } = await this.#pool.query<{ n: number }>(
      `select count(*) as n from ${quote(this.#table)} t${where}`,
      this.#values,
    );
    return rows[0]?.n ?? 0;
  }

  #columns(prefix = ''): string {
    return (this.#query.get('select') ?? '')
      .split(',')
      .map((name) => prefix + quote(name))
      .join(', ');
  }

  #where(): string {
    const reserved = new Set(['select', 'order', 'limit', 'offset', 'columns', 'on_conflict']);
    const conditions = [...this.#query].flatMap(([column, text]) =>
      reserved.has(column) ? [] : [this.#condition(`t.${quote(column)}`, text)],
    );
    return conditions.length > 0 ? ` where ${conditions.join(' and ')}` : '';
  }

  #condition(column: string, text: string): string {
    const [, not, op = '', value = ''] = /^(not\.)?(\w+)\.(.*)$/s.exec(text) ?? [];
    if (op === 'is' && /^(null|true|false)$/.test(value)) return `${column} is ${not ? 'not ' : ''}${value}`;
    if (op === 'in' && !not && value.startsWith('(') && value.endsWith(')')) {
      this.#values.push(listItems(value.slice(1, -1)));
      return `${column} = any($${this.#values.length})`;
    }
    const operator = OPERATORS[op];
    if (!operator || not) throw new Refusal(400, 'PGRST100', `failed to parse filter (${text})`);
    this.#values.push(value);
    return `${column} ${operator} $${this.#values.length}`;
  }
}

/** `a,"b,c","d\"e"`: quoted items may hold anything, with `\` before quotes and backslashes. */
function listItems(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^",]+)/gs)].map(
    ([, quoted, bare]) => quoted?.replace(/\\(.)/gs, '$1') ?? bare ?? '',
  );
}
