import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { DecisionRow } from '../../database/tables.ts';
import type { Json } from '../../shared/json.ts';

/** Runs a statement as somebody would who owns the database and means ill. */
export async function tamper(pool: pg.Pool, sql: string, values: unknown[] = []): Promise<void> {
  await pool.query(sql, values);
}

/** A number in digits alone, as Postgres writes those of a jsonb. */
function digits(number: number): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(number === 0 ? 0 : number)) ?? [];
  const point = whole.length + Number(exponent);
  const all = `${whole}${fraction}`;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${all}`;
  if (point >= all.length) return `${sign}${all}${'0'.repeat(point - all.length)}`;
  return `${sign}${all.slice(0, point)}.${all.slice(point)}`;
}

const byLengthThenBytes = (a: string, b: string) =>
  Buffer.byteLength(a) - Buffer.byteLength(b) || Buffer.compare(Buffer.from(a), Buffer.from(b));

const stored = (text: string) => text.toWellFormed().replaceAll('\u0000', '\uFFFD');

/** A value as Postgres writes a jsonb, once it is stored. */
function jsonbText(value: Json): string {
  if (typeof value === 'number') return digits(value);
  if (typeof value === 'string') return JSON.stringify(stored(value));
  if (Array.isArray(value)) return `[${value.map(jsonbText).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = [...new Map(Object.entries(value).map(([key, field]) => [stored(key), field]))]
    .toSorted(([a], [b]) => byLengthThenBytes(a, b))
    .map(([key, field]) => `${JSON.stringify(key)}: ${jsonbText(field)}`);
  return `{${fields.join(', ')}}`;
}

/** The hash of a chained decision by the formula of docs/decisions-log.md, without the database. */
export function hashOf(row: DecisionRow): string {
  const text = JSON.stringify([
    'agent_decisions/1',
    row.workspace,
    String(row.chain_seq),
    row.prev_hash,
    row.id,
    row.agent,
    row.action,
    row.campaign_id,
    row.run_id,
    row.plan_id,
    String(Date.parse(row.decided_at) * 1_000),
    row.reasoning,
    row.confidence.toFixed(3),
    jsonbText(row.predicted),
    jsonbText(row.evidence),
  ]);
  return createHash('sha256').update(text).digest('hex');
}
