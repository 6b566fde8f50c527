import { z } from 'zod';
import type { JsonObject } from '../shared/json.ts';
import { isJsonObject } from '../shared/json.ts';
import { MAX_DOLLARS } from '../shared/money.ts';
import { describe } from '../shared/zod-problems.ts';

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^\s*(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|d)\s*)+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)/g;
const LONGEST_DURATION_TEXT = 60;

/** Milliseconds of a text such as "90s", "15m" or "1h 30m"; null when it is none. */
export function parseDuration(text: string): number | null {
  if (text.length > LONGEST_DURATION_TEXT || !DURATION.test(text)) return null;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART)) ms += Number(amount) * (UNITS[unit ?? ''] ?? NaN);
  return Math.round(ms);
}

/** For people: 90,000 is "90s", 86,400,000 is "1d". */
export function formatDuration(ms: number): string {
  const unit = Object.keys(UNITS).findLast((name) => ms >= (UNITS[name] ?? 0) && ms % (UNITS[name] ?? 1) === 0) ?? 'ms';
  return `${ms / (UNITS[unit] ?? 1)}${unit}`;
}

export const DURATION_MEND = 'write milliseconds such as 300000, or a text such as "90s", "15m" or "1h"';

/** A length of time: whole milliseconds, or text with units; milliseconds come out. */
export function duration(low: number, high: number, fallback?: number) {
  const bounds = `between ${formatDuration(low)} and ${formatDuration(high)}`;
  return z
    .union(
      [
        z.number().meta({ type: 'integer', minimum: low, maximum: high }),
        z.string().meta({ pattern: DURATION.source, examples: ['90s', '15m', '1h'] }),
      ],
      { error: `must be a duration ${bounds}` },
    )
    .transform((value, context) => {
      const ms = typeof value === 'number' ? value : parseDuration(value);
      if (ms !== null && Number.isInteger(ms) && ms >= low && ms <= high) return ms;
      const message = `must be a duration ${bounds}, not ${describe(value)}`;
      context.issues.push({ code: 'custom', input: value, message, params: { mend: DURATION_MEND } });
      return z.NEVER;
    })
    .optional()
    .meta(fallback === undefined ? {} : { default: fallback });
}

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
