import { columnNames, givenColumns, kindOf, PRIMARY_KEYS, readColumns, upsertColumns } from './columns.ts';
import type { Column, Filter, Query, Row, TableName } from './records.ts';

/** A statement and its bound parameters. */
export interface Statement {
  text: string;
  values: unknown[];
}

/** Postgres counts parameters of one statement in 16 bits. */
const MAX_PARAMETERS = 65_535;

const OPERATORS = { eq: '=', neq: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

const quote = (name: string) => `"${name}"`;
const list = (names: readonly string[]) => names.map(quote).join(', ');

/** What pg is to send for a value: jsonb columns take text, everything else goes as it is. */
function bound(table: TableName, column: string, value: unknown): unknown {
  return kindOf(table, column) === 'json' && value !== null ? JSON.stringify(value) : value;
}

function condition<T extends TableName>(table: T, filter: Filter<T>, values: unknown[]): string {
  kindOf(table, filter.column);
  const column = quote(filter.column);
  switch (filter.op) {
    case 'is':
      return `${column} is ${String(filter.value)}`;
    case 'is_not':
      return `${column} is not ${String(filter.value)}`;
    case 'in':
      values.push(filter.value);
      return `${column} = any($${values.length})`;
    case 'eq':
    case 'neq':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      if (filter.value === null && filter.op === 'eq') return `${column} is null`;
      if (filter.value === null && filter.op === 'neq') return `${column} is not null`;
      values.push(filter.value);
      return `${column} ${OPERATORS[filter.op]} $${values.length}`;
    default:
      throw new TypeError('This comparison is not known.');
  }
}

function whereClause<T extends TableName>(table: T, where: readonly Filter<T>[], values: unknown[]): string {
  if (where.length === 0) return '';
  return ` where ${where.map((filter) => condition(table, filter, values)).join(' and ')}`;
}

/** Inserts in as few statements as the parameter limit allows: one, up to thousands of rows. */
export function insertStatements<T extends TableName>(
  table: T,
  rows: readonly Partial<Row<T>>[],
  onConflict: string,
): Statement[] {
  const columns = givenColumns(table, rows);
  const perStatement = Math.max(1, Math.floor(MAX_PARAMETERS / Math.max(1, columns.length)));
  const statements: Statement[] = [];
  for (let start = 0; start < rows.length; start += perStatement) {
    const values: unknown[] = [];
    const tuples = rows.slice(start, start + perStatement).map((row) => {
      const fields = columns.map((column) => {
        const value = (row as Record<string, unknown>)[column];
        if (value === undefined) return 'default';
        values.push(bound(table, column, value));
        return `$${values.length}`;
      });
      return `(${fields.join(', ')})`;
    });
    statements.push({
      text: `insert into ${quote(table)} (${list(columns)}) values ${tuples.join(', ')}${onConflict} returning ${list(columnNames(table))}`,
      values,
    });
  }
  return statements;
}

/** The `on conflict` clause that leaves out rows whose primary key exists. */
export function ignoreConflicts(table: TableName): string {
  return ` on conflict (${list(PRIMARY_KEYS[table])}) do nothing`;
}

export function upsertStatements<T extends TableName>(
  table: T,
  rows: readonly Partial<Row<T>>[],
  key: readonly string[],
): Statement[] {
  const columns = upsertColumns(table, rows);
  for (const name of key) kindOf(table, name);
  // The key columns are written again, so that a row which gives nothing else comes back too.
  const changes = columns.map((name) => `${quote(name)} = excluded.${quote(name)}`).join(', ');
  return insertStatements(table, rows, ` on conflict (${list(key)}) do update set ${changes}`);
}

export function updateStatement<T extends TableName>(
  table: T,
  patch: Partial<Row<T>>,
  where: readonly Filter<T>[],
): Statement {
  const values: unknown[] = [];
  const changes = givenColumns(table, [patch]).map((column) => {
    values.push(bound(table, column, (patch as Record<string, unknown>)[column]));
    return `${quote(column)} = $${values.length}`;
  });
  const text = `update ${quote(table)} set ${changes.join(', ')}${whereClause(table, where, values)} returning ${list(columnNames(table))}`;
  return { text, values };
}

export function deleteStatement<T extends TableName>(table: T, where: readonly Filter<T>[]): Statement {
  columnNames(table);
  const values: unknown[] = [];
  return { text: `delete from ${quote(table)}${whereClause(table, where, values)}`, values };
}

export function selectStatement<T extends TableName, C extends Column<T>>(table: T, query: Query<T, C>): Statement {
  const values: unknown[] = [];
  const where = whereClause(table, query.where ?? [], values);
  const order = (query.order ?? []).map(({ column, descending }) => {
    kindOf(table, column);
    return `${quote(column)} ${descending ? 'desc' : 'asc'}`;
  });
  let text = `select ${list(readColumns(table, query))} from ${quote(table)}${where}`;
  if (order.length > 0) text += ` order by ${order.join(', ')}`;
  if (query.limit !== undefined) {
    values.push(query.limit);
    text += ` limit $${values.length}`;
  }
  return { text, values };
}

export function countStatement<T extends TableName>(table: T, where: readonly Filter<T>[]): Statement {
  columnNames(table);
  const values: unknown[] = [];
  return { text: `select count(*) as n from ${quote(table)}${whereClause(table, where, values)}`, values };
}

const NAME = /^[a-z_][a-z0-9_]*$/;

/** @throws {TypeError} when the function or an argument has no plain name */
export function checkNames(name: string, args: Record<string, unknown>): void {
  for (const each of [name, ...Object.keys(args)])
    if (!NAME.test(each)) throw new TypeError(`${each} is not a name of a function or an argument.`);
}

/** Calls a function with named arguments; lists and objects go as jsonb. @throws {TypeError} for a name that is not plain */
export function callStatement(name: string, args: Record<string, unknown>): Statement {
  checkNames(name, args);
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  const values = given.map(([, value]) =>
    typeof value === 'object' && value !== null ? JSON.stringify(value) : value,
  );
  const bindings = given.map(([arg], index) => `${quote(arg)} => $${index + 1}`).join(', ');
  return { text: `select ${quote(name)}(${bindings}) as answer`, values };
}
