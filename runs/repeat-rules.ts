import type { StepDefinition } from '../campaigns/definition.ts';
import type { StepRow } from '../database/tables.ts';
import { waitBefore } from '../shared/retry.ts';
import type { StepError } from '../steps/step.ts';
import { triesOf } from './step-rows.ts';

/** How long the next attempt is waited for, when there will be one. */
export function nextAttempt(step: StepDefinition, row: StepRow, error: StepError): { retryInMs?: number } {
  if (!mayRepeat(step, error) || triesOf(row) >= step.retry.attempts) return {};
  return { retryInMs: waitBefore(step.retry, triesOf(row), error.retryAfterMs) };
}

/** Whether another attempt is allowed after this failure: never for a `once` step whose engine may have worked. */
export function mayRepeat(step: StepDefinition, error: StepError): boolean {
  return error.retryable && !mustSettle(step, error);
}

/** Whether the engine may have done, at least in part, what must not be done twice. */
export function mustSettle(step: StepDefinition, error: StepError): boolean {
  return step.effect === 'once' && error.worked !== 'no';
}

/** Whether a person has to say what became of the step: the engine may have worked, and nothing says how far. */
export function isDoubtful(step: StepDefinition, error: StepError): boolean {
  return mustSettle(step, error) && !error.definite;
}
