import { JSON_COLUMNS, kindOf } from './columns.ts';
import type { Row, TableName } from './records.ts';
import type { Json } from './tables.ts';

/** How Postgres writes a timestamptz into JSON. */
const JSON_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$/;

/**
 * A bigint that came as text or number. @throws {RangeError} beyond 2^53 - 1, rather than losing digits silently
 */
export function safeInteger(value: string | number): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} is not a safe integer.`);
  return number;
}

/** Any text of an instant, as ISO 8601 in UTC with milliseconds (finer digits are cut off). */
export function isoTime(text: string): string {
  return new Date(text).toISOString();
}

/** Brings a row that came as JSON into the form in which rows cross the port. */
export function rowFromJson<T extends TableName>(table: T, row: Record<string, Json>): Row<T> {
  for (const [name, value] of Object.entries(row)) {
    if (value === null) continue;
    const kind = kindOf(table, name);
    if (kind === 'time') row[name] = isoTime(value as string);
    else if (kind === 'integer') row[name] = safeInteger(value as number);
  }
  return row as unknown as Row<T>;
}

/**
 * Brings the times in a function's jsonb answer into the form of the port. Columns holding a time end in `_at` or `_for`;
 * jsonb columns inside the answer are left alone.
 */
export function answerFromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(answerFromJson);
  if (typeof value !== 'object' || value === null) return value;
  const answer = value as Record<string, unknown>;
  for (const [name, field] of Object.entries(answer)) {
    if (JSON_COLUMNS.has(name)) continue;
    if (typeof field === 'string') {
      if (/_(at|for)$/.test(name) && JSON_TIME.test(field)) answer[name] = isoTime(field);
    } else answer[name] = answerFromJson(field);
  }
  return answer;
}
