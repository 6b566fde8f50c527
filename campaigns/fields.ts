import { z } from 'zod';
import type { JsonObject } from '../shared/json.ts';
import { isJsonObject } from '../shared/json.ts';
import { MAX_DOLLARS } from '../shared/money.ts';
import { describe } from '../shared/zod-problems.ts';

/** A name: one line without control characters, not blank; blanks around it do not count. */
export function nameText(most: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(most)
    .regex(/^\P{Cc}*$/u, { error: 'has control characters (line breaks and tabs among them)' });
}

/** Text of several lines. */
export function longText(most: number) {
  return z
    .string()
    .max(most)
    .regex(/^[\P{Cc}\n\r\t]*$/u, { error: 'has control characters other than line breaks and tabs' });
}

/** An object that is passed on as it is. What stands in it is looked at by checks.ts. */
export function freeForm(description: string) {
  return z
    .custom<JsonObject>(isJsonObject, { error: ({ input }) => `must be an object, not ${describe(input)}` })
    .meta({ type: 'object', additionalProperties: true, description });
}

/** An amount of dollars, as a field that may be left out. */
export function dollars(description: string) {
  return z.number().min(0).max(MAX_DOLLARS).nullable().optional().meta({ description });
}
