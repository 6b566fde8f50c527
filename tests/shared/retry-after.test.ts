import { expect, test } from '@jest/globals';
import { parseRetryAfter } from '../../shared/retry-after.ts';

const NOW = Date.parse('2026-01-05T09:00:00.000Z');

test.each([
  ['7', 7_000],
  [' 7 ', 7_000],
  ['0.0005', 1],
  ['-3', 0],
  ['1e9', 60_000],
  ['Infinity', 60_000],
  ['Mon, 05 Jan 2026 09:00:30 GMT', 30_000],
  ['Mon, 05 Jan 2026 08:00:00 GMT', 0],
  ['Tue, 06 Jan 2026 09:00:00 GMT', 60_000],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('a Retry-After of %j is %j milliseconds when waits are cut to a minute', (value, expected) => {
  expect(parseRetryAfter(value, NOW, 60_000)).toBe(expected);
});
