import type { z } from 'zod';
import { WorkError } from '../moves/work.ts';
import type { JsonObject } from '../shared/json.ts';
import type { Micros } from '../shared/money.ts';
import type { Model } from '../generation/model.ts';
import { AppError, DatabaseUnavailableError, messageOf } from '../shared/errors.ts';
import { AskedWatch, LONGEST_WAIT_MS } from './model-errors.ts';
import { ModelMeter } from './model-meter.ts';
import { parsedParams } from './step-params.ts';
import { type ModelStepContext, type ModelStepKind, type PlanningKind, StepError, type StepResult } from './step.ts';

interface PlanningStep<T> {
  kind: PlanningKind;
  description: string;
  params: z.ZodType<T>;
  /** Milliseconds of one attempt; waiting for people does not count. */
  timeout: number;
  /** Micro-dollars of one attempt at most; 0 when left out. */
  estimate?: (params: T, model: Model) => Micros;
  follows?: readonly string[];
  approvalAt?: readonly string[];
}

/** Between two tries while the database is away, in milliseconds. */
const DATABASE_RETRY_MS = 500;

function asStepError(error: unknown): unknown {
  if (error instanceof WorkError) {
    const { code, message, retryable, costMicros, output, retryAfterMs } = error;
    return new StepError(code, message, {
      retryable,
      costMicros,
      costUnknown: costMicros === null,
      worked: costMicros === 0 ? 'no' : 'maybe',
      cause: error,
      ...(output === null ? {} : { output }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.min(retryAfterMs, LONGEST_WAIT_MS) }),
    });
  }
  if (!(error instanceof AppError)) return error;
  const { code, message, retryable } = error;
  return new StepError(code, message, { retryable, costMicros: 0, worked: 'no', cause: error });
}

/** The failure with what was spent before it. What nobody foresaw is a fault of ours, of which at least that is known. */
function withSpent(failure: unknown, { spentMicros, costUnknown }: ModelMeter): unknown {
  if (!(failure instanceof StepError))
    return new StepError('STEP_CRASHED', messageOf(failure), {
      costMicros: spentMicros,
      costUnknown,
      worked: 'maybe',
      definite: false,
      cause: failure,
    });
  if (failure.costMicros === null || failure.costMicros >= spentMicros) return failure;
  const { code, message, retryable, output, retryAfterMs } = failure;
  return new StepError(code, message, {
    retryable,
    costMicros: spentMicros,
    costUnknown: failure.costUnknown || costUnknown,
    worked: 'maybe',
    cause: failure.cause,
    ...(output === null ? {} : { output }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Planning keeps what it does in the database itself: while that is away, it waits and goes on from there. */
async function whileDatabaseIsAway<R>(work: () => Promise<R>, { clock, signal }: ModelStepContext): Promise<R> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error;
      await clock.sleep(DATABASE_RETRY_MS, signal);
    }
  }
}

async function execute<T>(spec: PlanningStep<T>, context: ModelStepContext): Promise<StepResult> {
  const { signal, planning, model } = context;
  const watch = new AskedWatch();
  const meter = new ModelMeter(model);
  const work = { ...context, model: meter, onSent: watch.onSent };
  try {
    const params = parsedParams(spec.params, context.params) as unknown as JsonObject;
    const result = await whileDatabaseIsAway(() => planning[spec.kind](params, work), context);
    const costMicros = Math.max(result.costMicros, meter.spentMicros);
    return { ...result, costMicros, costUnknown: result.costUnknown === true || meter.costUnknown, counts: {} };
  } catch (error) {
    throw withSpent(watch.failureOf(asStepError(error), signal), meter);
  }
}

/** A kind of step whose work is a part of planning. */
export function planningStep<T>(spec: PlanningStep<T>): ModelStepKind {
  const { kind, description, timeout, estimate, follows, approvalAt } = spec;
  return {
    kind,
    description,
    engine: null,
    defaultEffect: 'repeatable',
    defaultTimeout: timeout,
    params: spec.params as unknown as z.ZodType<JsonObject>,
    ...(follows ? { follows } : {}),
    ...(approvalAt ? { approvalAt } : {}),
    estimate: (params, model, _previous, waiting) => {
      // What people were asked about is made: to apply it costs nothing.
      if (estimate === undefined || model.provider === 'rules' || waiting !== undefined) return 0;
      return estimate(parsedParams(spec.params, params), model);
    },
    execute: (context) => execute(spec, context),
  };
}
