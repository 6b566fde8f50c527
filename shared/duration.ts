import { z } from 'zod';
import { describe } from './zod-problems.ts';

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
