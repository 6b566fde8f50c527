import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { checkCron, checkTimezone, describeCron, fires, nextFire } from '../../scheduler/calendar.ts';
import { bruteForceFires, wallMinutes } from './brute-force-calendar.ts';

const at = (time: string) => Date.parse(time);
const iso = (times: number[]) => times.map((time) => new Date(time).toISOString().replace(':00.000Z', 'Z'));

const EXPRESSIONS = [
  '0 9 * * MON',
  '30 2 * * *',
  '15 2 * * *',
  '30 1 * * *',
  '0 0 * * *',
  '30 23 * * *',
  '0,30 1,2,3 * * *',
  '10-50/20 2 * * *',
  '30 * * * *',
  '*/15 * * * *',
  '*/20 2 * * *',
  '0 */2 * * *',
  '0 9-17 * * MON-FRI',
  '0 12 1,15 * FRI',
  '0 6 */2 * sat,SUN',
  '45 2 29-31 * *',
  '0 0 1 JAN-DEC/3 *',
  '5 1 * 3,10,11 7',
];

describe('fires agree with a walk through every minute of the year 2026', () => {
  const [from, to] = [at('2026-01-01T00:00Z'), at('2027-01-01T00:00Z')];
  test.each([
    'America/New_York',
    'Europe/Berlin',
    'Australia/Sydney',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'Africa/Cairo',
    'America/Nuuk',
  ])('in %s', (zone) => {
    // From a day earlier, so that the walk knows which minutes the clocks have shown already.
    const minutes = wallMinutes(zone, from - 86_400_000, to);
    for (const cron of EXPRESSIONS) {
      const expected = bruteForceFires(cron, minutes).filter((time) => time > from);
      const given = fires(cron, zone, from, expected.length + 1);
      const wrong = expected.findIndex((time, index) => given[index] !== time);
      expect({ cron, fires: iso(given.slice(wrong).slice(0, wrong === -1 ? 0 : 1)) }).toEqual({
        cron,
        fires: iso(expected.slice(wrong).slice(0, wrong === -1 ? 0 : 1)),
      });
      expect(given.at(-1)).toBeGreaterThanOrEqual(to);
    }
  });
});

describe('when the clocks are put forward', () => {
  test.each([
    ['New York', '30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:00Z', '2026-03-09T06:30Z']],
    ['Berlin', '30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:30Z']],
    ['Sydney', '30 2 * * *', 'Australia/Sydney', '2026-10-03T00:00Z', ['2026-10-03T16:00Z', '2026-10-04T15:30Z']],
    // Half an hour: from 02:00 to 02:30.
    ['Lord Howe', '15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z', ['2026-10-03T15:30Z', '2026-10-04T15:15Z']],
    ['Cairo at midnight', '0 0 * * *', 'Africa/Cairo', '2026-04-23T12:00Z', ['2026-04-23T22:00Z', '2026-04-24T21:00Z']],
    ['Beirut at midnight', '0 0 * * *', 'Asia/Beirut', '2026-03-28T12:00Z', ['2026-03-28T22:00Z', '2026-03-29T21:00Z']],
    [
      'São Paulo 2018',
      '0 0 * * *',
      'America/Sao_Paulo',
      '2018-11-03T12:00Z',
      ['2018-11-04T03:00Z', '2018-11-05T02:00Z'],
    ],
    // From Saturday 23:00 to Sunday 00:00, so a Saturday time fires on Sunday.
    [
      'Nuuk over the day',
      '30 23 * * SAT',
      'America/Nuuk',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:00Z', '2026-04-05T00:30Z'],
    ],
  ])('a fixed time in the skipped hour fires once, right after it: %s', (_, cron, zone, after, expected) => {
    expect(iso(fires(cron, zone, at(after), 2))).toEqual(expected);
  });

  test('several fixed times in one skipped hour fire once together, also with the time at its end', () => {
    expect(iso(fires('0,20,40 2,3 * * *', 'America/New_York', at('2026-03-08T06:00Z'), 4))).toEqual([
      '2026-03-08T07:00Z',
      '2026-03-08T07:20Z',
      '2026-03-08T07:40Z',
      '2026-03-09T06:00Z',
    ]);
  });

  test('an every-hour field follows real time and the skipped hour is absent', () => {
    expect(iso(fires('30 * * * *', 'America/New_York', at('2026-03-08T05:45Z'), 3))).toEqual([
      '2026-03-08T06:30Z',
      '2026-03-08T07:30Z',
      '2026-03-08T08:30Z',
    ]);
  });

  test('an every-n-minutes field follows real time even in a fixed hour', () => {
    expect(iso(fires('*/30 2 * * *', 'America/New_York', at('2026-03-07T07:15Z'), 2))).toEqual([
      '2026-03-07T07:30Z',
      '2026-03-09T06:00Z',
    ]);
  });
});

describe('when the clocks are put back', () => {
  test.each([
    ['New York', '30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
    ['Berlin', '30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
    ['Sydney', '30 2 * * *', 'Australia/Sydney', '2026-04-04T00:00Z', ['2026-04-04T15:30Z', '2026-04-05T16:30Z']],
    ['Lord Howe', '45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T00:00Z', ['2026-04-04T14:45Z', '2026-04-05T15:15Z']],
    [
      'Cairo over midnight',
      '30 23 * * *',
      'Africa/Cairo',
      '2026-10-29T12:00Z',
      ['2026-10-29T20:30Z', '2026-10-30T21:30Z'],
    ],
  ])('a fixed time in the repeated hour fires once, the first time: %s', (_, cron, zone, after, expected) => {
    expect(iso(fires(cron, zone, at(after), 2))).toEqual(expected);
  });

  test('asked within the second pass, a fixed time of the repeated hour is over', () => {
    expect(iso(fires('30 1 * * *', 'America/New_York', at('2026-11-01T06:10Z'), 1))).toEqual(['2026-11-02T06:30Z']);
  });

  test('an every-n-minutes field fires in both passes', () => {
    expect(iso(fires('*/30 * * * *', 'America/New_York', at('2026-11-01T04:45Z'), 5))).toEqual([
      '2026-11-01T05:00Z',
      '2026-11-01T05:30Z',
      '2026-11-01T06:00Z',
      '2026-11-01T06:30Z',
      '2026-11-01T07:00Z',
    ]);
  });

  test('an hour field that names all 24 hours is an every-hour field', () => {
    const [named, starred] = ['0 0-23 * * *', '0 * * * *'].map((cron) =>
      fires(cron, 'Europe/Berlin', at('2026-10-24T20:00Z'), 12),
    );
    expect(named).toEqual(starred);
  });
});

describe('calendars', () => {
  test.each([
    ['29 February only in leap years', '0 0 29 2 *', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
    ['the 31st only in months that have one', '0 9 31 * *', ['2026-01-31T09:00Z', '2026-03-31T09:00Z']],
    ['Kathmandu is UTC+5:45', '0 9 * * *', ['2026-01-01T03:15Z', '2026-01-02T03:15Z'], 'Asia/Kathmandu'],
    [
      'day of month or day of week, when both are restricted',
      '0 0 13 * FRI',
      ['2026-01-02T00:00Z', '2026-01-09T00:00Z', '2026-01-13T00:00Z', '2026-01-16T00:00Z'],
    ],
    [
      'both, when one of them starts with a star',
      '0 0 */2 * FRI',
      ['2026-01-09T00:00Z', '2026-01-23T00:00Z', '2026-02-13T00:00Z'],
    ],
    [
      'names in any case, ranges that end on Sunday',
      '0 0 * jan sAt-suN',
      ['2026-01-03T00:00Z', '2026-01-04T00:00Z', '2026-01-10T00:00Z'],
    ],
    ['0 and 7 are Sunday', '0 0 * * 0,7', ['2026-01-04T00:00Z', '2026-01-11T00:00Z']],
    ['@weekly is Sunday at midnight', '@Weekly', ['2026-01-04T00:00Z', '2026-01-11T00:00Z']],
    ['@yearly is the first of January', '@annually', ['2027-01-01T00:00Z', '2028-01-01T00:00Z']],
  ])('%s', (_, cron, expected, zone = 'UTC') => {
    expect(iso(fires(cron, zone, at('2026-01-01T00:00Z'), expected.length))).toEqual(expected);
  });

  test('a leading field holds seconds', () => {
    expect(fires('*/20 59 23 * * *', 'UTC', at('2026-01-01T00:00Z'), 4).map((time) => new Date(time).toJSON())).toEqual(
      ['2026-01-01T23:59:00.000Z', '2026-01-01T23:59:20.000Z', '2026-01-01T23:59:40.000Z', '2026-01-02T23:59:00.000Z'],
    );
  });

  test('a time is never its own successor, and milliseconds do not hide it', () => {
    expect(nextFire('0 9 * * *', 'UTC', at('2026-01-01T09:00:00.000Z'))).toBe(at('2026-01-02T09:00Z'));
    expect(nextFire('0 9 * * *', 'UTC', at('2026-01-01T08:59:59.999Z'))).toBe(at('2026-01-01T09:00Z'));
    expect(nextFire('0 9 * * *', 'UTC', at('2026-01-01T09:00:00.001Z'))).toBe(at('2026-01-02T09:00Z'));
  });

  test('a schedule ends with the calendar', () => {
    expect(nextFire('@daily', 'UTC', Date.UTC(3001, 0, 1))).toBeNull();
    expect(nextFire('@daily', 'UTC', Number.NaN)).toBeNull();
  });
});

describe('wrong expressions', () => {
  test.each([
    ['61 * * * *', 'minute 61 is above 59'],
    ['* 24 * * *', 'hour 24 is above 23'],
    ['99 * * * * *', 'second 99 is above 59'],
    ['0 0 0 * *', 'day of month 0 is below 1'],
    ['0 0 1 13 *', 'month 13 is above 12'],
    ['0 0 * * 8', 'day of week 8 is above 7'],
    ['0 0 * * MONDAY', 'day of week "MONDAY" is not understood'],
    ['0 FEB * * *', 'hour "FEB" is not understood'],
    ['x * * * *', 'minute "x" is not understood'],
    ['\u0000 * * * *', 'minute "\\u0000" is not understood'],
    ['1,,2 * * * *', 'minute has an empty place'],
    ['-5 * * * *', 'minute has an empty place'],
    ['1-2-3 * * * *', 'minute "1-2-3" is not a range'],
    ['*/0 * * * *', 'minute step 0 is below 1'],
    ['*/x * * * *', 'minute step "x" is not a number'],
    ['*/90 * * * *', 'minute step 90 is above 60'],
    ['*/2/2 * * * *', 'minute "*/2/2" has more than one step'],
    ['5/15 * * * *', 'minute "5/15" has a step but no range; write 5-59/15'],
    ['0 22-2 * * *', 'hour range 22-2 runs backwards; write it as 22-23,0-2'],
    ['0 0 * * FRI-MON', 'day of week range FRI-MON runs backwards; write it as FRI-SAT,SUN-MON'],
    ['0 0 L * *', 'day of month "L" uses an extension'],
    ['0 0 15W * *', 'day of month "15W" uses an extension'],
    ['0 0 * * FRI#2', 'day of week "FRI#2" uses an extension'],
    ['0 0 * * 5L', 'day of week "5L" uses an extension'],
    ['0 0 * * +MON', 'day of week "+MON" uses an extension'],
    ['0 0 ? * MON', 'day of month "?" uses an extension'],
    ['0 0 0 1 1 * 2030', 'there are 7 fields; a year field is not supported'],
    ['* * *', 'there are 3 fields'],
    ['hello', 'there is 1 field'],
    ['', 'the expression is empty'],
    ['@reboot', '"@reboot" is not a shortcut'],
    ['@every 5m', '"@every 5m" is not a shortcut'],
    ['0 0 30 2 *', 'it never fires: none of its months has a day of month 30'],
    ['0 0 31 FEB,apr,6,9,11 *', 'it never fires'],
    ['1,'.repeat(600), 'longer than 1000 characters'],
  ])('%j is refused by name', (cron, problem) => {
    expect(checkCron(cron)).toContain(problem);
    expect(() => nextFire(cron, 'UTC', 0)).toThrow(RangeError);
  });

  test('what looks impossible but is not passes', () => {
    for (const cron of ['0 0 29 2 *', '0 0 30 2 MON', '0 0 31 4,5 *', '*/60 * * * *', '0 0 * * 0-7', ' 0\t9 * *  1 '])
      expect(checkCron(cron)).toBeNull();
  });
});

test('time zones are checked by their IANA name', () => {
  for (const zone of ['UTC', 'Europe/Berlin', 'america/new_york', 'Asia/Kathmandu', 'Etc/GMT+5'])
    expect(checkTimezone(zone)).toBeNull();
  expect(checkTimezone('Mars/Olympus')).toContain('is not a known time zone');
  expect(checkTimezone('')).toContain('is empty');
  expect(checkTimezone('+02:00')).toContain('is an offset');
});

test('schedules are told in words', () => {
  expect(describeCron('0 9 * * MON')).toBe('At 09:00, only on Monday');
  expect(describeCron('@hourly')).toBe('Every hour');
  expect(describeCron('*/10 0 9 * * 1-5')).toContain('Every 10 seconds');
  expect(describeCron('0 0 1 * 1')).toBe('At 00:00, on day 1 of the month, or on Monday');
  expect(describeCron('0 9 1,15 6 MON-FRI')).toBe(
    'At 09:00, on day 1 and 15 of the month, or on Monday through Friday, only in June',
  );
  expect(describeCron('0 0 */2 * 1')).toBe('At 00:00, every 2 days in a month, only on Monday');
});

const field = (low: number, high: number) =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min: low, max: high }).map(String),
    fc.integer({ min: 1, max: high - low }).map((step) => `*/${step}`),
    fc
      .tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
      .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
  );

describe('for any schedule', () => {
  const cron = fc
    .tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
    .map((fields) => fields.join(' '));
  const zone = fc.constantFrom('UTC', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Cairo', 'Pacific/Chatham');
  const after = fc.integer({ min: at('2020-01-01T00:00Z'), max: at('2035-01-01T00:00Z') });

  test('fires increase strictly, lie after the given time, and are as many as asked', () => {
    fc.assert(
      fc.property(cron, zone, after, fc.integer({ min: 0, max: 40 }), (expression, timezone, from, count) => {
        const times = fires(expression, timezone, from, count);
        expect(times).toHaveLength(count);
        for (const [index, time] of times.entries()) expect(time).toBeGreaterThan(times[index - 1] ?? from);
      }),
      { numRuns: 500 },
    );
  });

  test('asking from anywhere between two fires gives the later one', () => {
    fc.assert(
      fc.property(
        cron,
        zone,
        after,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (expression, timezone, from, part) => {
          const [first = 0, second = 0] = fires(expression, timezone, from, 2);
          expect(nextFire(expression, timezone, Math.floor(first + (second - first) * part))).toBe(second);
          expect(nextFire(expression, timezone, first - 1)).toBe(first);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('ten thousand next fires take less than a second', () => {
  // Processor time, so that a busy machine does not fail it.
  const start = process.cpuUsage();
  for (const cron of ['30 2 * * *', '0 9 * * MON', '*/5 * * * *', '0 0 29 2 *', '0 9 1,15 * *'])
    expect(fires(cron, 'America/New_York', at('2026-01-01T00:00Z'), 2_000).length).toBeGreaterThan(200);
  expect(process.cpuUsage(start).user).toBeLessThan(1_000_000);
});
