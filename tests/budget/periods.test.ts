import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { periodAt } from '../../budget/periods.ts';

const at = (text: string) => Date.parse(text);
const turn = (period: 'day' | 'week' | 'month', instant: string, zone: string) => {
  const { startsOn, turnsAtMs } = periodAt(period, at(instant), zone);
  return [startsOn, new Date(turnsAtMs).toISOString()];
};
const HOUR = 3_600_000;

describe('budget periods', () => {
  test('a day is the local one, not that of UTC', () => {
    expect(turn('day', '2026-01-06T04:59:59.999Z', 'America/New_York')).toEqual([
      '2026-01-05',
      '2026-01-06T05:00:00.000Z',
    ]);
    expect(turn('day', '2026-01-06T05:00:00.000Z', 'America/New_York')).toEqual([
      '2026-01-06',
      '2026-01-07T05:00:00.000Z',
    ]);
    expect(turn('day', '2026-01-05T18:15:00.000Z', 'Asia/Kathmandu')).toEqual([
      '2026-01-06',
      '2026-01-06T18:15:00.000Z',
    ]);
  });

  test('a week begins on Monday, also across the new year', () => {
    expect(turn('week', '2027-01-03T23:59:59Z', 'UTC')).toEqual(['2026-12-28', '2027-01-04T00:00:00.000Z']);
    expect(turn('week', '2027-01-04T00:00:00Z', 'UTC')).toEqual(['2027-01-04', '2027-01-11T00:00:00.000Z']);
  });

  test('a month ends with its last day, also in a leap year', () => {
    expect(turn('month', '2028-02-29T12:00:00Z', 'UTC')).toEqual(['2028-02-01', '2028-03-01T00:00:00.000Z']);
    expect(turn('month', '2026-12-31T23:00:00Z', 'Europe/Berlin')).toEqual(['2027-01-01', '2027-01-31T23:00:00.000Z']);
  });

  test('the day of a clock change has 23 or 25 hours, in Lord Howe half an hour more or less', () => {
    const length = (day: string, zone: string) => {
      const { turnsAtMs } = periodAt('day', at(day), zone);
      const before = Temporal.PlainDate.from(periodAt('day', at(day), zone).startsOn).toZonedDateTime(zone);
      return (turnsAtMs - before.epochMilliseconds) / HOUR;
    };
    expect(length('2026-03-08T12:00:00Z', 'America/New_York')).toBe(23);
    expect(length('2026-11-01T12:00:00Z', 'America/New_York')).toBe(25);
    expect(length('2026-04-04T20:00:00Z', 'Australia/Lord_Howe')).toBe(24.5);
    expect(length('2026-10-03T20:00:00Z', 'Australia/Lord_Howe')).toBe(23.5);
  });

  test('a day begins at 01:00 where midnight does not exist', () => {
    // Beirut skips 00:00 to 01:00 on 29 March 2026.
    expect(turn('day', '2026-03-28T21:59:59.999Z', 'Asia/Beirut')).toEqual(['2026-03-28', '2026-03-28T22:00:00.000Z']);
    expect(turn('day', '2026-03-28T22:00:00.000Z', 'Asia/Beirut')).toEqual(['2026-03-29', '2026-03-29T21:00:00.000Z']);
  });

  test('a day that a zone leaves out takes no time', () => {
    // Samoa went from 29 to 31 December 2011.
    expect(turn('day', '2011-12-30T09:59:59Z', 'Pacific/Apia')).toEqual(['2011-12-29', '2011-12-30T10:00:00.000Z']);
    expect(turn('day', '2011-12-30T10:00:00Z', 'Pacific/Apia')).toEqual(['2011-12-31', '2011-12-31T10:00:00.000Z']);
  });

  test('a day that has begun does not come back when the clocks go back over midnight', () => {
    // St John's went from 00:01 on 7 November 2010 back to 23:01 on the 6th.
    expect(turn('day', '2010-11-07T02:30:30Z', 'America/St_Johns')).toEqual(['2010-11-07', '2010-11-08T03:30:00.000Z']);
    expect(turn('day', '2010-11-07T02:40:00Z', 'America/St_Johns')).toEqual(['2010-11-07', '2010-11-08T03:30:00.000Z']);
  });

  test('periods follow each other without gap or overlap, in every zone', () => {
    const zones = Intl.supportedValuesOf('timeZone');
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom('day' as const, 'week' as const, 'month' as const),
        fc.integer({ min: at('2005-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') }),
        (zone, period, instant) => {
          const here = periodAt(period, instant, zone);
          const last = periodAt(period, here.turnsAtMs - 1, zone);
          const next = periodAt(period, here.turnsAtMs, zone);
          expect(here.turnsAtMs).toBeGreaterThan(instant);
          expect(last).toEqual(here);
          expect(next.startsOn > here.startsOn).toBe(true);
          if (period === 'week') expect(Temporal.PlainDate.from(here.startsOn).dayOfWeek).toBe(1);
          if (period === 'month') expect(here.startsOn).toMatch(/-01$/);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('an unknown zone is refused', () => {
    expect(() => periodAt('day', 0, 'Mars/Olympus')).toThrow('time zone');
  });
});
