import type { JsonObject } from '../database/tables.ts';
import type { Micros } from '../shared/money.ts';
import { itemsOf } from './answer-fields.ts';
import { engineMessage } from './engine-errors.ts';
import { StepError } from './step.ts';

/** Why the first item that failed did so, where the answer lists its items. */
function firstReason(payload: JsonObject): string {
  const failed = itemsOf(payload).find((item) => item['success'] === false || typeof item['error'] === 'string');
  const said = failed ? engineMessage(failed) : engineMessage(payload);
  return said === null ? '.' : `; the first: ${said}`;
}

/**
 * An answer that calls itself a success though nothing in it succeeded is a failure.
 * @param what the items, for people: `leads`, `e-mails`
 * @throws {StepError} ENGINE_ITEMS_FAILED
 */
export function refuseIfAllFailed(
  what: string,
  counts: { done: number | undefined; failed: number | undefined },
  payload: JsonObject,
  costMicros: Micros | null,
): void {
  const { done, failed } = counts;
  if (failed === undefined || failed === 0 || (done !== undefined && done > 0)) return;
  throw new StepError('ENGINE_ITEMS_FAILED', `None of ${failed} ${what} succeeded${firstReason(payload)}`, {
    costMicros,
  });
}
