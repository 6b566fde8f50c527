import { AppError } from '../shared/errors.ts';
import { ReferenceFailure } from '../shared/references.ts';
import { StepError } from '../steps/step.ts';
import { FencedError } from '../database/journal.ts';

/** Why a worker lets go of a run before its end. The reason of the run's AbortSignal is one of these. */
export type StopReason = CancelledError | FencedError | ServiceStoppingError;

/** Somebody asked for the run to stop. */
export class CancelledError extends AppError {
  constructor(reason: string) {
    super('RUN_CANCELLED', 409, reason);
    this.name = 'CancelledError';
  }
}

/** The service stops; the run goes back to the queue and is taken up again at the next start. */
export class ServiceStoppingError extends AppError {
  constructor() {
    super('SERVICE_STOPPING', 503, 'The service is stopping.', { retryable: true });
    this.name = 'ServiceStoppingError';
  }
}

/** Anything that came out of a step, as a StepError. What a step did not foresee is a fault of ours: not retried. */
export function asStepError(error: unknown): StepError {
  if (error instanceof StepError) return error;
  if (error instanceof ReferenceFailure)
    return new StepError(error.code, error.message, { cause: error, worked: 'no' });
  const message = error instanceof Error ? error.message : String(error);
  return new StepError('STEP_CRASHED', message, { cause: error, worked: 'maybe', definite: false });
}
