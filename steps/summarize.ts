import type { Json, JsonObject } from '../database/tables.ts';

/** Largest summary in bytes of JSON. */
export const MAX_SUMMARY_BYTES = 65_536;

interface Cut {
  depth: number;
  items: number;
  fields: number;
  text: number;
}

/** Tried in this order until the summary fits; the last one fits always, by its own arithmetic. */
const CUTS: readonly Cut[] = [
  { depth: 8, items: 50, fields: 200, text: 4_000 },
  { depth: 6, items: 20, fields: 100, text: 1_000 },
  { depth: 4, items: 5, fields: 50, text: 200 },
  { depth: 1, items: 0, fields: 25, text: 100 },
];
const LONGEST_NAME = 100;

/** Text that Postgres takes into jsonb: no NUL, no half of a surrogate pair; cut to `length` characters. */
export function cleanText(text: string, length: number): string {
  const kept = text.length > length ? `${text.slice(0, length)}…` : text;
  return kept.replaceAll('\0', '').toWellFormed();
}

function cutObject(object: JsonObject, cut: Cut, depth: number): JsonObject {
  const kept = new Map<string, Json>();
  for (const [name, value] of Object.entries(object).slice(0, cut.fields)) {
    const field = cleanText(name, LONGEST_NAME);
    kept.set(field, cutValue(value, cut, depth + 1));
    if (Array.isArray(value) && value.length > cut.items && !Object.hasOwn(object, `${field}_count`))
      kept.set(`${field}_count`, value.length);
  }
  return Object.fromEntries(kept);
}

function cutValue(value: Json, cut: Cut, depth: number): Json {
  if (typeof value === 'string') return cleanText(value, cut.text);
  // JSON.parse reads 1e999 as Infinity, which is no JSON.
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= cut.depth) return Array.isArray(value) ? [] : {};
  if (Array.isArray(value)) return value.slice(0, cut.items).map((item) => cutValue(item, cut, depth + 1));
  return cutObject(value, cut, depth);
}

/**
 * An engine's answer cut down to what records keep: at most `MAX_SUMMARY_BYTES` of JSON that Postgres accepts. Of a list that
 * was cut, `<field>_count` tells how long it was.
 */
export function summarize(payload: JsonObject): JsonObject {
  let summary: JsonObject = {};
  for (const cut of CUTS) {
    summary = cutObject(payload, cut, 0);
    if (Buffer.byteLength(JSON.stringify(summary)) <= MAX_SUMMARY_BYTES) break;
  }
  return summary;
}
