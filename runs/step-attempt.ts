import type { JsonObject } from '../database/tables.ts';
import type { Clock } from '../shared/clock.ts';
import type { StepDefinition } from '../campaigns/definition.ts';
import type { Model } from '../generation/model.ts';
import type { Question, Unanswered, Verdict } from '../moves/work.ts';
import type { EngineHttp, Planning, StepFacts, StepKind, StepLog, StepResult } from '../steps/step.ts';
import { StepError } from '../steps/step.ts';
import { asStepError } from './reasons.ts';
import type { StepCall } from './step-call.ts';

export interface AttemptInput {
  kind: StepKind;
  step: StepDefinition;
  call: StepCall;
  runId: string;
  campaignId: string;
  attempt: number;
  http: EngineHttp;
  model: Model;
  planning: Planning;
  ask(question: Question): Promise<Verdict | Unanswered>;
  log: StepLog;
  clock: Clock;
  /** Aborts when the run has to stop. */
  signal: AbortSignal;
  progress(facts: JsonObject): void;
  /** Takes secrets out of what the engine says. */
  redact: (text: string) => string;
}

/** Why the timer of an attempt is put away; made once, because an error is dear to make. */
const ENDED = new Error('The attempt has ended.');

export type AttemptOutcome = { ok: true; result: StepResult } | { ok: false; error: StepError };

/**
 * Makes one attempt under the step's time limit. Never rejects: a failure is a value, with whatever is known about what it
 * cost and whether the engine may have worked.
 */
export async function attemptStep(input: AttemptInput): Promise<AttemptOutcome> {
  const { step, clock } = input;
  // Stopped before the engine was asked: it certainly did nothing.
  if (input.signal.aborted) return { ok: false, error: interrupted(input.signal.reason, 'no') };
  const limit = new AbortController();
  const done = new AbortController();
  const deadline = clock.now() + step.timeout;
  const timer = clock.sleep(step.timeout, done.signal).then(
    () => limit.abort(timeoutError(step)),
    () => undefined,
  );
  const stop = () => limit.abort(input.signal.reason);
  input.signal.addEventListener('abort', stop, { once: true });
  try {
    const result = await execute(input, limit.signal, deadline);
    return { ok: true, result: { ...result, output: clean(result.output, input.redact) } };
  } catch (error) {
    // A model step knows whether anything had been asked by then.
    const worked = input.kind.engine === null && error instanceof StepError ? error.worked : 'maybe';
    if (limit.signal.aborted && !input.signal.aborted) return { ok: false, error: timeoutError(step, worked) };
    if (input.signal.aborted) return { ok: false, error: interrupted(input.signal.reason, worked) };
    return { ok: false, error: redacted(asStepError(error), input.redact) };
  } finally {
    input.signal.removeEventListener('abort', stop);
    done.abort(ENDED);
    await timer;
  }
}

function execute(input: AttemptInput, signal: AbortSignal, deadline: number): Promise<StepResult> {
  const { kind, step, call, model, planning, http } = input;
  const facts: StepFacts = {
    runId: input.runId,
    campaignId: input.campaignId,
    stepName: step.name,
    attempt: input.attempt,
    effect: step.effect,
    idempotencyKey: `${input.runId}/${step.name}`,
    signal,
    deadline,
    clock: input.clock,
    progress: (told) => input.progress(clean(told, input.redact)),
    log: input.log,
  };
  if (kind.engine === null) {
    // People read it, and it is kept.
    const ask = (question: Question) => input.ask(clean({ ...question }, input.redact));
    return kind.execute({ ...facts, model, planning, ask, params: call.params, previous: call.previous });
  }
  if (!call.engine) throw new RangeError(`a step of kind ${kind.kind} needs a call`);
  return kind.execute({ ...facts, call: call.engine, http });
}

function timeoutError(step: StepDefinition, worked: 'no' | 'maybe' = 'maybe'): StepError {
  return new StepError('STEP_TIMEOUT', `No result within ${step.timeout} ms.`, {
    retryable: true,
    worked,
    definite: false,
  });
}

function clean<T extends object>(facts: T, redact: (text: string) => string): T {
  return JSON.parse(redact(JSON.stringify(facts))) as T;
}

function redacted(error: StepError, redact: (text: string) => string): StepError {
  error.message = redact(error.message);
  return error;
}

function interrupted(reason: unknown, worked: 'no' | 'maybe' = 'maybe'): StepError {
  const message = reason instanceof Error ? reason.message : 'The run was stopped.';
  return new StepError('STEP_INTERRUPTED', message, { worked, definite: false, cause: reason });
}
