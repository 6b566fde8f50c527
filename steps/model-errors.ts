import { ModelError } from '../generation/model.ts';
import { StepError } from './step.ts';

/**
 * However long a provider wants it: the model layer sends nothing before its wait is over, and a step that waits longer than this
 * is better off failing, to be retried by a person or the next run.
 */
export const LONGEST_WAIT_MS = 15_000;

/**
 * What became of a model call, as a step's failure. What was not charged was not worked: a provider that is away, or that
 * refused the request, has cost nothing.
 */
export function asModelFailure(error: unknown): unknown {
  if (!(error instanceof ModelError)) return error;
  const { code, message, retryable, retryAfterMs, costMicros, costUnknown } = error;
  return new StepError(code, message, {
    retryable,
    costMicros,
    costUnknown,
    cause: error,
    worked: costMicros === 0 ? 'no' : 'maybe',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.min(retryAfterMs, LONGEST_WAIT_MS) }),
  });
}

/** Watches whether a step's model has been asked anything: a step that is stopped before that has cost nothing. */
export class AskedWatch {
  #asked = false;

  readonly onSent = (): void => {
    this.#asked = true;
  };

  /** What to throw in the place of an error. @param signal of the attempt */
  failureOf(error: unknown, signal: AbortSignal): unknown {
    if (!signal.aborted || this.#asked) return asModelFailure(error);
    return new StepError('STEP_INTERRUPTED', 'It was stopped before the model was asked.', {
      worked: 'no',
      costMicros: 0,
      cause: error,
    });
  }
}
