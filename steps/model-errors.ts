import { ModelError } from '../generation/model.ts';
import { StepError } from './step.ts';

/**
 * What became of a model call, as a step's failure. What was not charged was not worked: a provider that is away, or that
 * refused the request, has cost nothing.
 */
export function asModelFailure(error: unknown): unknown {
  if (!(error instanceof ModelError)) return error;
  const { code, message, retryable, retryAfterMs, costMicros } = error;
  return new StepError(code, message, {
    retryable,
    costMicros,
    cause: error,
    worked: costMicros === 0 ? 'no' : 'maybe',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
