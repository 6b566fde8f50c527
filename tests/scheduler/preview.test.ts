import { expect, test } from '@jest/globals';
import { previewSchedule } from '../../scheduler/preview.ts';
import { ValidationError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';

const clock = new TestClock('2026-01-05T09:00:00.000Z');

test('shows ten fires from now when nothing else is said', () => {
  const preview = previewSchedule({ cron: '0 9 * * MON' }, clock);
  expect(preview.description).toBe('At 09:00, only on Monday');
  expect(preview.fires).toHaveLength(10);
  expect(preview.fires.slice(0, 2)).toEqual(['2026-01-12T09:00:00.000Z', '2026-01-19T09:00:00.000Z']);
});

test('shows fires of a zone from a given time', () => {
  const request = { cron: '30 2 * * *', timezone: 'America/New_York', from: '2026-03-07T12:00:00-05:00', count: 2 };
  expect(previewSchedule(request, clock).fires).toEqual(['2026-03-08T07:00:00.000Z', '2026-03-09T06:30:00.000Z']);
});

test.each([
  [{ cron: '61 * * * *' }, ['cron']],
  [{ cron: '@daily', count: 1_001 }, ['count']],
  [{ cron: '@daily', count: 0 }, ['count']],
  [{ cron: '@daily', count: 1.5 }, ['count']],
  [{ cron: '@daily', from: 'tomorrow' }, ['from']],
  [{ cron: '@daily', from: '2026-03-07T12:00:00' }, ['from']],
  [{ cron: '@daily', from: '3026-03-07' }, ['from']],
  [{ cron: 'x', timezone: 'Mars/Olympus', from: '', count: -1 }, ['cron', 'timezone', 'from', 'count']],
])('refuses %j, naming %j', (request, paths) => {
  try {
    previewSchedule(request, clock);
    throw new Error('was not refused');
  } catch (error) {
    expect(error).toBeInstanceOf(ValidationError);
    expect((error as ValidationError).details.map((problem) => problem.path)).toEqual(paths);
    for (const { mend } of (error as ValidationError).details) expect(mend).toMatch(/^write .*\d|such as/);
  }
});

test('a thousand fires may be asked for', () => {
  expect(previewSchedule({ cron: '* * * * *', count: 1_000 }, clock).fires).toHaveLength(1_000);
});
