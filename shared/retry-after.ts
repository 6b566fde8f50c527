/**
 * `Retry-After` in milliseconds from now, zero or more: a number of seconds or an HTTP date (RFC 9110, section 10.2.3).
 * @param longestMs what a longer wait is cut to
 * @returns undefined when the header is missing or neither
 */
export function parseRetryAfter(value: string | undefined, nowMs: number, longestMs: number): number | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Date.parse(value) - nowMs : seconds * 1_000;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, Math.ceil(ms)), longestMs);
}
