import type { z } from 'zod';
import type { JsonObject } from '../database/tables.ts';
import { problemsOf } from '../shared/zod-problems.ts';
import { StepError } from './step.ts';

const MOST_TOLD = 5;

/**
 * The params of a step, with references filled in: until now nothing has looked at what those gave.
 * @throws {StepError} STEP_PARAMS_INVALID naming the places
 */
export function parsedParams<T>(schema: z.ZodType<T>, params: JsonObject): T {
  const parsed = schema.safeParse(params);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error, params).map(({ path, message }) => `params.${path} ${message}`);
  throw new StepError('STEP_PARAMS_INVALID', problems.slice(0, MOST_TOLD).join('; '), { worked: 'no' });
}
