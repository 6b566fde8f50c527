/** What a person can do about a failure, by its error code. */
const ADVICE: Record<string, string> = {
  APPROVAL_GROUP_UNKNOWN:
    'The step names a group that nobody belongs to. Correct its "groups", or add the group to APPROVAL_GROUPS.',
  APPROVAL_NOT_GIVEN: 'Nobody decided in time. Run it again: it asks anew.',
  APPROVAL_REJECTED: 'Somebody rejected it. Change what they object to, then run it again: it asks anew.',
  ASSETS_FAILED: 'No move got its asset. Mend what the message says of each, then run it again.',
  AUDIT_FAILED: `The audit did not pass. Change what its findings name, or the step's "failOn", then run it again.`,
  AUDIT_NOTHING: 'There was nothing to audit. See why the steps before it wrote nothing, then run it again.',
  AUDIT_PENDING: 'The model that judges could not be asked. Mend what the message names; the audit can be repeated.',
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
  KPI_SOURCES_FAILED: "Not one source of a KPI could be read. The step's output says what is wrong with each.",
  MODEL_BLOCKED:
    "The provider's safety filter held it back. Change the brief, or what the facts say, then run it again.",
  MODEL_OUTPUT_INVALID: "The model's answers did not fit what was asked for. Run it again, or take a better model.",
  MODEL_RATE_LIMITED:
    'The provider wants fewer calls. Lower MODEL_CONCURRENCY or MODEL_REQUESTS_PER_MINUTE, then run it again.',
  MODEL_REFUSED: 'The model gave no answer. Run it again, or change the brief.',
  MODEL_REJECTED:
    'The provider refused the request. Check its credentials, project, location and the name of the model.',
  MODEL_TRUNCATED: "The model's answer was cut off. Raise MODEL_MAX_OUTPUT_TOKENS, or take a model that thinks less.",
  MODEL_UNAVAILABLE: 'The provider of the model did not answer. Check that it can be reached, then run it again.',
  MODEL_UNSUPPORTED: 'The provider cannot do what the step asks for. Set MODEL_PROVIDER to one that can.',
  PLAN_CHANGED: 'The plan is another by now than when this was asked for. Look at it, then ask for a new proposal.',
  PLAN_NOT_ACTIVE: 'The plan has no approved arc, or has ended. Wait for the approval, or plan it again.',
  PLAN_REFUSED:
    "The proposal breaks the rules of plans. The step's output lists the findings: mend the context, then plan again.",
  PLAN_UNKNOWN: 'The step names a plan that does not exist. Correct "plan" in its params.',
  REFERENCE_INVALID: "A reference in the step's params cannot be read. Correct what stands between {{ and }}.",
  REFERENCE_UNDEFINED:
    "The step refers to a value that an earlier step did not give. Correct the reference in the step's params.",
  STEP_CRASHED: "The step failed inside this service. Its log has the details under this run's id.",
  STEP_DECLARED_FAILED: 'Somebody said that the step had failed. Run it again, if it is to be done after all.',
  STEP_OUTCOME_UNKNOWN:
    'Look in the engine whether the step was done, then say so: until then the run cannot be retried.',
  STEP_PARAMS_INVALID: "The step's params are not what it takes. Correct the places that the message names.",
  STEP_TIMEOUT: 'The engine took longer than the step\'s "timeout" allows. Check the engine, or raise the timeout.',
};

export function adviceFor(code: string): string {
  return (
    (Object.hasOwn(ADVICE, code) ? ADVICE[code] : undefined) ??
    'See the run for the details, mend the cause, then run it again.'
  );
}
