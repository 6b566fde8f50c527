import type { Json, JsonObject } from '../database/tables.ts';
import { isObject, objectAt } from './answer-fields.ts';
import { engineFailed, engineMessage, invalidAnswer, saysNothingToDo } from './engine-errors.ts';

/**
 * An engine's body as the object that it has to be.
 * @throws {StepError} ENGINE_ANSWER_INVALID
 */
export function parseObject(text: string): JsonObject {
  if (text.trim() === '') throw invalidAnswer('The engine answered with an empty body.');
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidAnswer(`The engine's answer is not JSON; it begins with ${JSON.stringify(text.slice(0, 60))}.`, error);
  }
  if (!isObject(value)) throw invalidAnswer("The engine's answer is JSON but not an object.");
  return value;
}

/** Whether a payload says of itself that it failed, though the status was 200. */
function reportsFailure(payload: JsonObject): boolean {
  const parts = [payload, objectAt(payload, 'data'), objectAt(payload, 'result')].filter((part) => part !== undefined);
  if (parts.some((part) => part['success'] === false || part['success'] === 'false')) return true;
  const error = payload['error'];
  const hasError = (typeof error === 'string' && error !== '') || isObject(error);
  return hasError && payload['success'] === undefined;
}

/**
 * For every dialect: the words of an engine that found nothing to work on and calls that a failure; null for a payload that reports success.
 * @throws {StepError} ENGINE_FAILED when the payload reports any other failure
 */
export function checkOutcome(payload: JsonObject): string | null {
  if (!reportsFailure(payload)) return null;
  const message = engineMessage(payload);
  if (saysNothingToDo(message)) return message;
  throw engineFailed(payload);
}
