import type { Records } from '../records.ts';
import type { IdempotencyRow, Iso, Json } from '../tables.ts';

/** How long an answer is kept under its key, in milliseconds. */
export const KEY_KEPT_MS = 24 * 3_600_000;

/** Whether the key was free and is now taken by `requestHash`. */
export async function takeKey(records: Records, key: string, requestHash: string, at: Iso): Promise<boolean> {
  const rows = await records.insert('idempotency_keys', [{ key, request_hash: requestHash, created_at: at }], {
    conflict: 'ignore',
  });
  return rows.length > 0;
}

export async function findKey(records: Records, key: string): Promise<IdempotencyRow | undefined> {
  const [row] = await records.select('idempotency_keys', { where: [{ column: 'key', op: 'eq', value: key }] });
  return row;
}

/** Takes a key over from `previousHash`; false when somebody else was first. Hashes are unique to each attempt. */
export async function takeKeyOver(
  records: Records,
  key: string,
  previousHash: string,
  requestHash: string,
  at: Iso,
): Promise<boolean> {
  const rows = await records.update(
    'idempotency_keys',
    { request_hash: requestHash, status: null, response: null, created_at: at },
    [
      { column: 'key', op: 'eq', value: key },
      { column: 'request_hash', op: 'eq', value: previousHash },
    ],
  );
  return rows.length > 0;
}

/** Keeps the answer; does nothing when the key was taken over meanwhile. */
export async function keepAnswer(
  records: Records,
  key: string,
  requestHash: string,
  status: number,
  response: Json,
): Promise<void> {
  await records.update('idempotency_keys', { status, response }, [
    { column: 'key', op: 'eq', value: key },
    { column: 'request_hash', op: 'eq', value: requestHash },
  ]);
}

/** Gives a key back, so that the same request may be tried again. */
export async function freeKey(records: Records, key: string, requestHash: string): Promise<void> {
  await records.remove('idempotency_keys', [
    { column: 'key', op: 'eq', value: key },
    { column: 'request_hash', op: 'eq', value: requestHash },
  ]);
}
