import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KpiTarget } from '../../moves/arc.ts';
import { addDays, ARC_DAYS, dayOf } from '../../moves/calendar.ts';
import type { Kpi } from '../../moves/context.ts';
import { kpiStatus } from '../../moves/kpi/status.ts';
import { STARTS_ON } from './kpi-support.ts';

const DAY_MS = 86_400_000;

/** From 0 to 890 in 89 days: 10 more are expected each day. */
const leads: Kpi = { name: 'leads', unit: 'leads', baseline: 0, target: 890 };
/** From 120 down to 31: one less each day. */
const cost: Kpi = { name: 'cost', label: 'Cost a guest', unit: 'dollars', baseline: 120, target: 31 };

const at = (day: number, value: number) => ({ observedAt: `${addDays(STARTS_ON, day)}T00:00:00.000Z`, value });
const onDay = (day: number) => Date.parse(addDays(STARTS_ON, day)) + DAY_MS / 2;

function standing(
  kpi: Kpi,
  readings: { observedAt: string; value: number }[],
  day: number,
  target?: Partial<KpiTarget>,
) {
  const aimed: KpiTarget | undefined = target && {
    kpi: kpi.name,
    target: kpi.target,
    green: 0.95,
    amber: 0.8,
    why: { text: 'So.', facts: [] },
    ...target,
  };
  return kpiStatus({ kpi, target: aimed, startsOn: STARTS_ON, readings, now: onDay(day) });
}

const colourOf = (kpi: Kpi, day: number, value: number, target?: Partial<KpiTarget>) =>
  standing(kpi, [at(day, value)], day, target).colour;

const RANK = { red: 0, amber: 1, green: 2, unknown: -1 };

describe('the colour of a KPI', () => {
  test.each([
    ['on the line', 10, 100, 'green'],
    ['far above it', 10, 500, 'green'],
    ['at 95 % of the way', 10, 95, 'green'],
    ['just below 95 %', 10, 94.9, 'amber'],
    ['at 80 %', 10, 80, 'amber'],
    ['just below 80 %', 10, 79.9, 'red'],
    ['where it began', 10, 0, 'red'],
    ['worse than where it began', 10, -5, 'red'],
    ['as at the beginning, on the first day', 0, 0, 'green'],
    ['better, on the first day', 0, 3, 'green'],
    ['worse, on the first day', 0, -1, 'red'],
    ['at the target, on the last day', ARC_DAYS - 1, 890, 'green'],
    ['at the target, long after the last day', 200, 890, 'green'],
    ['a step short, long after the last day', 200, 840, 'amber'],
  ])('%s (day %i, value %d) is as it should be', (_, day, value, colour) => {
    expect(colourOf(leads, day, value)).toBe(colour);
  });

  test.each([
    ['on the line', 10, 110, 'green'],
    ['below the line', 10, 60, 'green'],
    ['at 95 % of the way', 10, 110.5, 'green'],
    ['at 80 % of the way', 10, 112, 'amber'],
    ['where it began', 10, 120, 'red'],
    ['above where it began', 10, 130, 'red'],
    ['as at the beginning, on the first day', 0, 120, 'green'],
    ['dearer, on the first day', 0, 121, 'red'],
  ])('that is to fall, %s (day %i, value %d), is as it should be', (_, day, value, colour) => {
    expect(colourOf(cost, day, value)).toBe(colour);
  });

  test('comes from the target and the thresholds of the approved arc', () => {
    expect(colourOf(leads, 10, 50)).toBe('red');
    expect(colourOf(leads, 10, 50, { target: 445 })).toBe('green');
    expect(colourOf(leads, 10, 50, { green: 0.5, amber: 0.3 })).toBe('green');
    expect(colourOf(leads, 10, 99, { green: 1, amber: 0.9 })).toBe('amber');
  });

  test.each([
    [100, 'green'],
    [95, 'green'],
    [105, 'green'],
    [85, 'amber'],
    [115, 'amber'],
    [70, 'red'],
    [130, 'red'],
  ])('that is to be held at 100 and is at %d is %s', (value, colour) => {
    expect(colourOf({ ...leads, baseline: 100, target: 100 }, 40, value)).toBe(colour);
  });

  test('that is to stay at nothing is red as soon as there is something', () => {
    const none = { ...leads, baseline: 0, target: 0 };
    expect(standing(none, [at(4, 0)], 4)).toMatchObject({ colour: 'green', attainment: 1 });
    expect(standing(none, [at(4, 1)], 4)).toMatchObject({ colour: 'red', attainment: null });
  });

  test('is unknown without a reading, and before the first day', () => {
    expect(standing(leads, [], 10)).toMatchObject({ colour: 'unknown', value: null, expected: 100, stale: false });
    expect(standing(leads, [at(-3, 500)], -1)).toMatchObject({ colour: 'unknown', value: 500, expected: null });
  });

  test('rests on the newest reading, whatever the order in which they come', () => {
    const readings = [at(10, 100), at(12, 0), at(8, 80)];
    expect(standing(leads, readings, 12)).toMatchObject({ colour: 'red', value: 0, observedAt: at(12, 0).observedAt });
  });

  test('is judged by what was expected on the day of the reading, not by how long ago that is', () => {
    for (const day of [10, 14, 17])
      expect(standing(leads, [at(10, 100)], day)).toMatchObject({ colour: 'green', expected: 100, attainment: 1 });
  });

  test('is unknown once the newest reading is older than eight days, which is said', () => {
    const reading = [at(10, 100)];
    const now = Date.parse(at(10, 0).observedAt) + 8 * DAY_MS;
    const input = { kpi: leads, target: undefined, startsOn: STARTS_ON, readings: reading };
    expect(kpiStatus({ ...input, now })).toMatchObject({ colour: 'green', stale: false, ageDays: 8 });
    expect(kpiStatus({ ...input, now: now + 1 })).toMatchObject({
      colour: 'unknown',
      stale: true,
      value: 100,
      attainment: 1,
      ageDays: 8,
    });
  });

  test('does not come from readings of a time to come, and they are counted', () => {
    const found = standing(leads, [at(10, 100), at(11, 890), at(30, 890)], 10);
    expect(found).toMatchObject({ value: 100, futureReadings: 2 });
    expect(found.history).toHaveLength(1);
  });

  test('is the same for the same readings, whatever it was before', () => {
    const bad = [at(10, 0)];
    const good = [...bad, at(11, 110)];
    expect(standing(leads, bad, 11).colour).toBe('red');
    expect(standing(leads, good, 11).colour).toBe('green');
    expect(standing(leads, bad, 11)).toEqual(standing(leads, bad, 11));
  });
});

describe('with any figures', () => {
  const figure = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  const line = fc
    .record({ baseline: figure, target: figure })
    .filter(({ baseline, target }) => Math.abs(target - baseline) > 1)
    .map((ends): Kpi => ({ ...leads, ...ends }));
  const day = fc.integer({ min: 0, max: 120 });

  test('a value nearer to the target, or beyond, has never a worse colour', () => {
    fc.assert(
      fc.property(line, day, figure, fc.double({ min: 0, max: 1e6, noNaN: true }), (kpi, on, value, gain) => {
        const better = kpi.target > kpi.baseline ? value + gain : value - gain;
        expect(RANK[colourOf(kpi, on, better)]).toBeGreaterThanOrEqual(RANK[colourOf(kpi, on, value)]);
      }),
    );
  });

  test('the same value has never a better colour on a later day', () => {
    fc.assert(
      fc.property(line, day, day, figure, (kpi, one, other, value) => {
        const [early, late] = [Math.min(one, other), Math.max(one, other)];
        expect(RANK[colourOf(kpi, late, value)]).toBeLessThanOrEqual(RANK[colourOf(kpi, early, value)]);
      }),
    );
  });

  test('what is turned upside down has the same colour', () => {
    fc.assert(
      fc.property(line, day, figure, (kpi, on, value) => {
        const mirrored = { ...kpi, baseline: -kpi.baseline, target: -kpi.target };
        expect(colourOf(mirrored, on, -value)).toBe(colourOf(kpi, on, value));
      }),
    );
  });

  test('a value on the line is green on every day', () => {
    fc.assert(
      fc.property(line, day, (kpi, on) => {
        const { expected } = standing(kpi, [at(on, 0)], on);
        expect(colourOf(kpi, on, expected ?? Number.NaN)).toBe('green');
      }),
    );
  });
});

describe('the history', () => {
  test('has the last reading of each day, oldest first, each with its own expectation and colour', () => {
    const early = { observedAt: '2026-01-15T08:00:00.000Z', value: 1 };
    const late = { observedAt: '2026-01-15T20:00:00.000Z', value: 99 };
    const { history } = standing(leads, [late, at(20, 0), early, at(-2, 4)], 20);
    expect(history).toEqual([
      { ...at(-2, 4), expected: null, attainment: null, colour: 'unknown' },
      { ...late, expected: 100, attainment: 0.99, colour: 'green' },
      { ...at(20, 0), expected: 200, attainment: 0, colour: 'red' },
    ]);
  });

  test('is bounded', () => {
    const readings = Array.from({ length: 400 }, (_, day) => at(day, day));
    const { history } = standing(leads, readings, 400);
    expect(history).toHaveLength(180);
    expect(history.at(-1)?.observedAt).toBe(at(399, 0).observedAt);
  });
});

describe('the trend', () => {
  test.each([
    ['one reading alone', [at(10, 100)], 'unknown'],
    ['more than a week ago', [at(2, 10), at(10, 100)], 'improving'],
    ['less than a week ago', [at(8, 100), at(10, 50)], 'worsening'],
    ['a dip between that is over', [at(2, 100), at(6, 0), at(10, 105)], 'steady'],
  ])('is seen against %s', (_, readings, trend) => {
    expect(standing(leads, readings, 10).trend).toBe(trend);
  });

  test('of a KPI that is to fall improves by falling', () => {
    expect(standing(cost, [at(2, 120), at(10, 100)], 10).trend).toBe('improving');
    expect(standing(cost, [at(2, 100), at(10, 120)], 10).trend).toBe('worsening');
  });
});

test('a status names the KPI, and the target of the arc', () => {
  expect(standing(cost, [at(1, 119)], 1, { target: 40 })).toMatchObject({
    kpi: 'cost',
    label: 'Cost a guest',
    unit: 'dollars',
    baseline: 120,
    target: 40,
    ageDays: 0,
  });
  expect(standing(leads, [], 0)).toMatchObject({ label: 'leads', target: 890 });
  expect(dayOf(onDay(0))).toBe(STARTS_ON);
});
