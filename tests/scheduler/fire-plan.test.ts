import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { ScheduleDefinition } from '../../campaigns/definition.ts';
import { fires } from '../../scheduler/calendar.ts';
import { type CampaignFacts, planFires, planSkips } from '../../scheduler/fire-plan.ts';
import { jitterOf } from '../../scheduler/jitter.ts';

const at = (time: string) => Date.parse(time);
const HOUR = 3_600_000;

function facts(schedule: Partial<ScheduleDefinition> = {}, more: Partial<CampaignFacts> = {}): CampaignFacts {
  return {
    id: '01890000-0000-7000-8000-000000000001',
    schedule: {
      cron: '*/10 * * * *',
      timezone: 'UTC',
      enabled: true,
      catchUp: 'last',
      catchUpWindow: HOUR,
      jitter: 0,
      ...schedule,
    },
    pausedBy: null,
    resumeAt: null,
    nextRunAt: at('2026-01-05T09:00Z'),
    ...more,
  };
}

function told(campaign: CampaignFacts, now: string): string[] {
  return planFires(campaign, at(now)).fires.map(
    (fire) =>
      `${new Date(fire.scheduledFor).toISOString().slice(11, 16)} ${fire.outcome}${fire.reason ? ` ${fire.reason}` : ''}`,
  );
}

describe('what becomes of nominal times', () => {
  test('one that is handled within a minute ran, and the next one follows', () => {
    const plan = planFires(facts(), at('2026-01-05T09:00:59.999Z'));
    expect(plan.fires).toEqual([
      {
        scheduledFor: at('2026-01-05T09:00Z'),
        effectiveFor: at('2026-01-05T09:00Z'),
        outcome: 'ran',
        reason: null,
        detail: null,
        missedCount: 1,
      },
    ]);
    expect(plan.nextRunAt).toBe(at('2026-01-05T09:10Z'));
    expect(plan.dueAt).toBe(at('2026-01-05T09:10Z'));
  });

  test('catchUp "last" makes up for the newest missed one, and says of the others why not', () => {
    expect(told(facts(), '2026-01-05T10:35Z')).toEqual([
      '09:00 skipped expired',
      '09:10 skipped expired',
      '09:20 skipped expired',
      '09:30 skipped expired',
      '09:40 skipped superseded',
      '09:50 skipped superseded',
      '10:00 skipped superseded',
      '10:10 skipped superseded',
      '10:20 skipped superseded',
      '10:30 caught_up',
    ]);
  });

  test('catchUp "last" needs no other run when an ordinary fire runs at the same moment', () => {
    expect(told(facts(), '2026-01-05T09:20:05Z')).toEqual([
      '09:00 skipped superseded',
      '09:10 skipped superseded',
      '09:20 ran',
    ]);
  });

  test('catchUp "all" makes up for each one within the window', () => {
    expect(told(facts({ catchUp: 'all', catchUpWindow: 25 * 60_000 }), '2026-01-05T09:32Z')).toEqual([
      '09:00 skipped expired',
      '09:10 caught_up',
      '09:20 caught_up',
      '09:30 caught_up',
    ]);
  });

  test('catchUp "all" stops at a hundred', () => {
    const plan = planFires(
      facts({ cron: '* * * * *', catchUp: 'all', catchUpWindow: 10 * HOUR }),
      at('2026-01-05T12:00:30Z'),
    );
    const count = (outcome: string) => plan.fires.filter((fire) => fire.outcome === outcome).length;
    expect([count('ran'), count('caught_up'), count('skipped')]).toEqual([1, 100, 80]);
    expect(plan.fires.at(0)).toMatchObject({ reason: 'expired', detail: 'more than 100 were missed' });
  });

  test('catchUp "none" makes up for nothing', () => {
    expect(told(facts({ catchUp: 'none' }), '2026-01-05T09:15Z')).toEqual([
      '09:00 skipped expired',
      '09:10 skipped expired',
    ]);
  });

  test('a pause skips every time and makes up for none', () => {
    expect(told(facts({}, { pausedBy: 'operator' }), '2026-01-05T09:20:05Z')).toEqual([
      '09:00 skipped paused',
      '09:10 skipped paused',
      '09:20 skipped paused',
    ]);
    expect(told(facts({}, { pausedBy: 'file' }), '2026-01-05T09:00Z')).toEqual(['09:00 skipped paused']);
  });

  test('a budget pause skips the times before its end, and the time at its end runs', () => {
    const paused = facts({}, { pausedBy: 'budget', resumeAt: at('2026-01-05T09:20Z') });
    expect(told(paused, '2026-01-05T09:20:01Z')).toEqual(['09:00 skipped budget', '09:10 skipped budget', '09:20 ran']);
  });

  test('jitter delays every time by the same amount, and a time is not due before', () => {
    const campaign = facts({ jitter: 5 * 60_000 });
    const offset = jitterOf(campaign.id, 5 * 60_000);
    expect(offset).toBeGreaterThan(1_000);
    expect(planFires(campaign, campaign.nextRunAt + offset - 1)).toEqual({
      fires: [],
      nextRunAt: campaign.nextRunAt,
      dueAt: campaign.nextRunAt + offset,
    });
    const plan = planFires(campaign, campaign.nextRunAt + offset);
    expect(plan.fires).toMatchObject([{ outcome: 'ran', effectiveFor: campaign.nextRunAt + offset }]);
    expect(plan.dueAt).toBe(at('2026-01-05T09:10Z') + offset);
  });

  test('the end of a pause lets every time up to now go by, jitter or not', () => {
    const campaign = facts({ jitter: 5 * 60_000 }, { pausedBy: 'operator' });
    expect(planSkips(campaign, at('2026-01-05T09:10Z'), 'paused', 'why')).toMatchObject([
      { scheduledFor: at('2026-01-05T09:00Z'), outcome: 'skipped', reason: 'paused', detail: 'why' },
      { scheduledFor: at('2026-01-05T09:10Z'), outcome: 'skipped', reason: 'paused' },
    ]);
  });
});

describe('a very long absence', () => {
  test('counts what it folds, and keeps the newest times single', () => {
    const campaign = facts({ cron: '* * * * *' });
    const plan = planFires(campaign, at('2026-01-08T09:00:30Z'));
    expect(plan.fires).toHaveLength(1_000);
    expect(plan.fires[0]).toMatchObject({
      scheduledFor: campaign.nextRunAt,
      reason: 'expired',
      missedCount: 3 * 1_440 + 1 - 999,
    });
    expect(plan.fires.at(-1)).toMatchObject({ scheduledFor: at('2026-01-08T09:00Z'), outcome: 'ran' });
    expect(plan.fires.reduce((sum, fire) => sum + fire.missedCount, 0)).toBe(3 * 1_440 + 1);
  });

  test('of years costs little and estimates the number', () => {
    const start = process.cpuUsage();
    const plan = planFires(facts({ cron: '* * * * * *' }), at('2029-01-05T09:00Z'));
    expect(process.cpuUsage(start).user).toBeLessThan(2_000_000);
    expect(plan.fires).toHaveLength(1_000);
    expect(plan.fires[0]?.detail).toContain('about');
    const seconds = (at('2029-01-05T09:00Z') - at('2026-01-05T09:00Z')) / 1_000 - 998;
    expect(plan.fires[0]?.missedCount).toBeGreaterThan(seconds - 5);
    expect(plan.fires[0]?.missedCount).toBeLessThan(seconds + 5);
    expect(plan.fires.at(-1)?.scheduledFor).toBe(at('2029-01-05T09:00Z'));
  });

  test('of a schedule with long silences still ends with its newest times', () => {
    const plan = planFires(
      facts({ cron: '* * 1 1 *' }, { nextRunAt: at('2016-01-01T00:00Z') }),
      at('2026-03-01T00:00Z'),
    );
    expect(plan.fires).toHaveLength(1_000);
    expect(plan.fires.at(-1)?.scheduledFor).toBe(at('2026-01-01T23:59Z'));
    expect(plan.nextRunAt).toBe(at('2027-01-01T00:00Z'));
  });
});

test('every nominal time of an absence is planned exactly once, in order, whatever the policy', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('*/7 * * * *', '0 */3 * * *', '30 1 * * *', '0 9 * * MON-FRI'),
      fc.constantFrom('UTC', 'America/New_York', 'Australia/Lord_Howe'),
      fc.constantFrom<'last' | 'all' | 'none'>('last', 'all', 'none'),
      fc.integer({ min: 0, max: 10 * HOUR }),
      fc.integer({ min: 0, max: 4 * 24 * HOUR }),
      fc.integer({ min: 0, max: HOUR }),
      (cron, timezone, catchUp, catchUpWindow, away, jitter) => {
        const from = at('2026-03-07T00:00Z');
        const nextRunAt = fires(cron, timezone, from, 1)[0] ?? 0;
        const campaign = facts({ cron, timezone, catchUp, catchUpWindow, jitter }, { nextRunAt });
        const now = nextRunAt + jitterOf(campaign.id, jitter) + away;
        const plan = planFires(campaign, now);
        const due = fires(cron, timezone, from, plan.fires.length + 1);
        expect(plan.fires.map((fire) => fire.scheduledFor)).toEqual(due.slice(0, -1));
        expect(plan.nextRunAt).toBe(due.at(-1));
        expect(plan.dueAt).toBeGreaterThan(now);
        const caughtUp = plan.fires.filter((fire) => fire.outcome === 'caught_up').length;
        if (catchUp !== 'all') expect(caughtUp).toBeLessThanOrEqual(catchUp === 'last' ? 1 : 0);
      },
    ),
    { numRuns: 150 },
  );
});

test('jitter is stable for one campaign, stays within its bound and spreads campaigns evenly', () => {
  const offsets = Array.from({ length: 4_000 }, (_, index) => jitterOf(`campaign-${index}`, 1_000));
  expect(jitterOf('campaign-7', 1_000)).toBe(offsets[7]);
  expect(Math.min(...offsets)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...offsets)).toBeLessThanOrEqual(1_000);
  const mean = offsets.reduce((sum, offset) => sum + offset, 0) / offsets.length;
  expect(Math.abs(mean - 500)).toBeLessThan(25);
  expect(jitterOf('campaign-7', 0)).toBe(0);
});
