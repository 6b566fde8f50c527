import type { z } from 'zod';
import { WorkError } from '../moves/work.ts';
import type { JsonObject } from '../shared/json.ts';
import type { Micros } from '../shared/money.ts';
import type { Model } from '../generation/model.ts';
import { AskedWatch } from './model-errors.ts';
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
}

function asStepError(error: unknown): unknown {
  if (!(error instanceof WorkError)) return error;
  const { code, message, retryable, costMicros, output } = error;
  return new StepError(code, message, {
    retryable,
    costMicros,
    costUnknown: costMicros === null,
    worked: costMicros === 0 ? 'no' : 'maybe',
    cause: error,
    ...(output === null ? {} : { output }),
  });
}

async function execute<T>(spec: PlanningStep<T>, context: ModelStepContext): Promise<StepResult> {
  const { signal, planning } = context;
  const watch = new AskedWatch();
  try {
    const params = parsedParams(spec.params, context.params) as unknown as JsonObject;
    const result = await planning[spec.kind](params, { ...context, onSent: watch.onSent });
    return { ...result, counts: {} };
  } catch (error) {
    throw watch.failureOf(asStepError(error), signal);
  }
}

/** A kind of step whose work is a part of planning. */
export function planningStep<T>(spec: PlanningStep<T>): ModelStepKind {
  const { kind, description, timeout, estimate, follows } = spec;
  return {
    kind,
    description,
    engine: null,
    defaultEffect: 'repeatable',
    defaultTimeout: timeout,
    params: spec.params as unknown as z.ZodType<JsonObject>,
    ...(follows ? { follows } : {}),
    estimate: (params, model) =>
      estimate === undefined || model.provider === 'rules' ? 0 : estimate(parsedParams(spec.params, params), model),
    execute: (context) => execute(spec, context),
  };
}
