import { fetch as undiciFetch, type Dispatcher } from 'undici';
import { DatabaseUnavailableError } from '../shared/errors.ts';
import { kindOf } from './columns.ts';
import type { Filter, TableName, Value } from './records.ts';
import { isTransientState, RecordsError } from './records.ts';

export type Fetch = typeof globalThis.fetch;

/** What supabase-js answers; its errors are plain objects, and `status` 0 says that no answer came. */
export interface ApiAnswer {
  data: unknown;
  error: { message?: string; code?: string | null } | null;
  count: number | null;
  status: number;
}

/** PostgREST's own codes for a database that it cannot reach. */
const UNREACHED_CODE = /^PGRST00[0-3]$/;

/** {@link DatabaseUnavailableError} or {@link RecordsError}, told by code before status. */
export function apiError(answer: ApiAnswer): Error {
  const { error, status } = answer;
  const code = error?.code ?? '';
  const message = error?.message ?? '';
  if (status === 0 || UNREACHED_CODE.test(code) || isTransientState(code)) return new DatabaseUnavailableError(error);
  if (code !== '') return new RecordsError(code, message, error);
  // Without a code it was not PostgREST that spoke, but something in front of it; a page of it tells nobody anything.
  if (status === 408 || status === 429 || status >= 500) return new DatabaseUnavailableError(error);
  return new RecordsError(`HTTP${status}`, `The API answered with status ${status}: ${message.slice(0, 200)}`, error);
}

/**
 * The fetch that is given to supabase-js: bounded in time, and cured of one reading of the library, which takes a 404 with an
 * empty body or `[]` for a success.
 */
export function apiFetch(timeoutMs: number, dispatcher: Dispatcher, given?: Fetch): Fetch {
  // The declarations of undici's answer and of Node's differ in details that do not matter here.
  const own: Fetch = (input, init) =>
    undiciFetch(input, { ...init, dispatcher }) as Promise<unknown> as Promise<Response>;
  const fetch = given ?? own;
  return async (input, init) => {
    const limit = AbortSignal.timeout(timeoutMs);
    const signal = init?.signal ? AbortSignal.any([init.signal, limit]) : limit;
    const response = await fetch(input, { ...init, signal });
    if (response.status !== 404) return response;
    const body = await response.text();
    const said = /^\s*\{/.test(body)
      ? body
      : JSON.stringify({ code: 'HTTP404', message: 'The API has no such address.' });
    return new Response(said, { status: 404, headers: { 'content-type': 'application/json' } });
  };
}

/** The part of supabase-js's builders that filters need; each method returns the builder. */
interface Filterable {
  filter(column: string, operator: string, value: unknown): this;
}

/** Values inside a list are quoted, so that commas, brackets, quotes and backslashes in them mean nothing. */
function listItem(value: string | number): string {
  return typeof value === 'number' ? String(value) : `"${value.replace(/["\\]/g, String.raw`\$&`)}"`;
}

function operation(op: string, value: Value | readonly (string | number)[]): [operator: string, value: string] {
  if (op === 'in') return ['in', `(${(value as readonly (string | number)[]).map(listItem).join(',')})`];
  if (op === 'is_not') return ['not.is', String(value)];
  if (value === null && op === 'eq') return ['is', 'null'];
  if (value === null && op === 'neq') return ['not.is', 'null'];
  return [op, String(value)];
}

/** Adds conditions in PostgREST's own writing. */
export function addFilters<T extends TableName, B extends Filterable>(
  table: T,
  builder: B,
  where: readonly Filter<T>[],
): B {
  let request = builder;
  for (const { column, op, value } of where) {
    kindOf(table, column);
    request = request.filter(column, ...operation(op, value));
  }
  return request;
}
