/** What a person can do about a failure, by its error code. */
const ADVICE: Record<string, string> = {
  ENGINE_ANSWER_INVALID: "The engine's answer could not be read. Check the step's endpoint and the engine's log.",
  ENGINE_BUSY:
    'The engine was too busy. Run it again later, or allow more attempts or a longer delay in the step\'s "retry".',
  ENGINE_CONNECTION_LOST: 'The connection broke while the engine worked. Check the engine, then run it again.',
  ENGINE_ERROR: "The engine failed inside. Check the engine's log, then run it again.",
  ENGINE_FAILED: "The engine took the work up and reported a failure. Check the engine's log, then run it again.",
  ENGINE_ITEMS_FAILED: "Nothing that the engine worked on succeeded. Check the engine's message, then run it again.",
  ENGINE_JOB_LOST: 'The engine no longer knows its own jobs, as after a restart. Run it again.',
  ENGINE_ORIGIN_FORBIDDEN:
    "The step's address is not allowed. Add its origin to ENGINE_ALLOWED_ORIGINS, or correct it.",
  ENGINE_PROTOCOL_MISMATCH:
    'The engine speaks another protocol than the step says. Check the step\'s "protocol" and "endpoint".',
  ENGINE_REDIRECT_FORBIDDEN: 'The engine redirects to where the step may not go. Name the right address in the step.',
  ENGINE_REFUSED:
    "The engine refused the request. Correct the step's params or endpoint; the same request would be refused again.",
  ENGINE_RESPONSE_TOO_LARGE: 'The answer is larger than MAX_ENGINE_RESPONSE_BYTES. Ask for less, or raise the limit.',
  ENGINE_STATUS_UNREACHABLE: 'The state of the engine\'s jobs could not be read. Check the step\'s "statusEndpoint".',
  ENGINE_STREAM_ENDED_EARLY: "The engine's stream broke off before its end. Check the engine's log, then run it again.",
  ENGINE_UNREACHABLE: 'The engine did not answer. Check that it runs and that its address is right, then run it again.',
  REFERENCE_UNDEFINED:
    "The step refers to a value that an earlier step did not give. Correct the reference in the step's params.",
  STEP_CRASHED: "The step failed inside this service. Its log has the details under this run's id.",
  STEP_OUTCOME_UNKNOWN:
    'Look in the engine whether the step was done, then say so: until then the run cannot be retried.',
  STEP_TIMEOUT: 'The engine took longer than the step\'s "timeout" allows. Check the engine, or raise the timeout.',
};

export function adviceFor(code: string): string {
  return (
    (Object.hasOwn(ADVICE, code) ? ADVICE[code] : undefined) ??
    'See the run for the details, mend the cause, then run it again.'
  );
}
