import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { BudgetDefinition } from '../../campaigns/definition.ts';
import type { Records } from '../../database/records.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { embeddedRecords } from '../support/records.ts';
import { leaks, storedCampaign } from './support/fixtures.ts';
import { DirectLedger } from './support/direct-ledger.ts';

const DOLLAR = 1_000_000;
const ZONE = 'America/New_York';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());

describe.each([
  { name: 'the embedded database', open: embeddedRecords },
  { name: 'Postgres', open: async () => (await server.createDatabase()).records },
])('the budget ledger on $name', ({ open }) => {
  let records: Records;
  let clock: TestClock;
  let ledger: DirectLedger;

  beforeAll(async () => {
    records = await open();
  }, 60_000);
  afterAll(() => records.close());
  beforeEach(() => {
    clock = new TestClock('2026-01-05T15:00:00.000Z');
    ledger = ledgerWith(null);
  });

  const ledgerWith = (globalDailyLimit: number | null, over = records) =>
    new DirectLedger({ records: over, clock, globalDailyLimit });

  /** A campaign of its own, and the two calls with everything but the amount filled in. */
  const scene = async (budget: BudgetDefinition, using = ledger) => {
    const { campaign, runId } = await storedCampaign(records, budget, ZONE);
    let attempts = 0;
    return {
      campaign,
      runId,
      reserve: (amount: number, key = `${runId}/step/${++attempts}`, stepName = 'step') =>
        using.reserve({ key, campaign, runId, stepName, amount }),
      settle: (cost: number | null, attempt = attempts) => using.settle(`${runId}/step/${attempt}`, cost),
      status: () => using.status(campaign),
    };
  };

  test('a reservation is held in day, week and month, and settled with the actual cost', async () => {
    const { reserve, settle, status } = await scene({ daily: 5, weekly: 20, perLead: 0.2 });
    expect(await reserve(2 * DOLLAR)).toEqual({ admitted: true });
    expect((await status()).daily).toMatchObject({ limit: 5, spent: 0, held: 2, remaining: 3, percent: 0 });
    expect(await settle(1.5 * DOLLAR)).toEqual({ found: true, spentMicros: 1.5 * DOLLAR, alerts: [] });
    expect(await status()).toEqual({
      timezone: ZONE,
      daily: {
        limit: 5,
        spent: 1.5,
        held: 0,
        remaining: 3.5,
        percent: 30,
        thresholds: [],
        startsOn: '2026-01-05',
        turnsAt: '2026-01-06T05:00:00.000Z',
      },
      weekly: {
        limit: 20,
        spent: 1.5,
        held: 0,
        remaining: 18.5,
        percent: 7.5,
        thresholds: [],
        startsOn: '2026-01-05',
        turnsAt: '2026-01-12T05:00:00.000Z',
      },
      monthly: {
        limit: null,
        spent: 1.5,
        held: 0,
        remaining: null,
        percent: null,
        thresholds: [],
        startsOn: '2026-01-01',
        turnsAt: '2026-02-01T05:00:00.000Z',
      },
      perLead: 0.2,
      global: null,
    });
  });

  test('what fits exactly is admitted, a micro-dollar more is refused with the facts', async () => {
    const { campaign, reserve, settle } = await scene({ daily: 5 });
    await reserve(4 * DOLLAR);
    await settle(4 * DOLLAR);
    await reserve(0.5 * DOLLAR);
    expect(await reserve(0.5 * DOLLAR + 1)).toEqual({
      admitted: false,
      refusal: {
        scope: `campaign:${campaign.id}`,
        period: 'day',
        startsOn: '2026-01-05',
        limitMicros: 5 * DOLLAR,
        spentMicros: 4 * DOLLAR,
        heldMicros: 0.5 * DOLLAR,
        amountMicros: 0.5 * DOLLAR + 1,
        turnsAtMs: Date.parse('2026-01-06T05:00:00Z'),
        onlyHeld: true,
        message:
          'The daily budget of $5.00 has no room for the next step: $4.00 spent, $0.50 held; the next step asks for $0.500001. ' +
          'It turns at 2026-01-06 00:00 America/New_York.',
      },
    });
    expect(await reserve(0.5 * DOLLAR)).toEqual({ admitted: true });
  });

  test('a used-up period refuses even a step that asks for nothing', async () => {
    const { reserve, settle } = await scene({ daily: 1 });
    await reserve(0);
    await settle(1.2 * DOLLAR);
    expect(await reserve(0)).toMatchObject({ admitted: false, refusal: { spentMicros: 1.2 * DOLLAR } });
  });

  test('a refusal names the period that turns last, and touches none', async () => {
    const { reserve, status } = await scene({ daily: 1, weekly: 2, monthly: 2 });
    expect(await reserve(3 * DOLLAR)).toMatchObject({ admitted: false, refusal: { period: 'month' } });
    const { daily, weekly, monthly } = await status();
    expect([daily.held, weekly.held, monthly.held]).toEqual([0, 0, 0]);
    expect(await reserve(1.5 * DOLLAR)).toMatchObject({ admitted: false, refusal: { period: 'day' } });
  });

  test('a refusal says whether only the holds of others are in the way, in every period that refuses', async () => {
    const { reserve, settle } = await scene({ daily: 2, weekly: 3 });
    await reserve(2 * DOLLAR);
    expect(await reserve(2 * DOLLAR)).toMatchObject({ refusal: { period: 'week', onlyHeld: true } });
    await settle(DOLLAR, 1);
    await reserve(DOLLAR);
    expect(await reserve(DOLLAR)).toMatchObject({ refusal: { period: 'day', onlyHeld: true } });
    // The week is only full of holds; the day has no room for as much whatever others give back.
    expect(await reserve(1.5 * DOLLAR)).toMatchObject({ refusal: { period: 'day', onlyHeld: false } });
    expect(await reserve(0)).toMatchObject({ refusal: { period: 'day', onlyHeld: true } });
  });

  test('a used-up limit is not only held, even for a step that asks for nothing', async () => {
    const { reserve, settle } = await scene({ daily: 1 });
    await reserve(0);
    await settle(DOLLAR);
    expect(await reserve(0)).toMatchObject({ refusal: { onlyHeld: false } });
  });

  test('a limit of zero lets nothing begin', async () => {
    const { reserve } = await scene({ daily: 0 });
    expect(await reserve(0)).toMatchObject({ admitted: false, refusal: { limitMicros: 0 } });
  });

  test('asking again under a held key holds nothing more', async () => {
    const { runId, reserve, settle, status } = await scene({ daily: 5 });
    const key = `${runId}/step/1`;
    const answers = await Promise.all([reserve(3 * DOLLAR, key), reserve(3 * DOLLAR, key)]);
    for (const answer of [...answers, await reserve(3 * DOLLAR, key)]) expect(answer).toEqual({ admitted: true });
    expect((await status()).daily.held).toBe(3);
    await settle(DOLLAR, 1);
    expect((await status()).daily).toMatchObject({ held: 0, spent: 1 });
  });

  test('settling twice changes nothing', async () => {
    const { reserve, settle, status } = await scene({ daily: 5 });
    await reserve(DOLLAR);
    await settle(2 * DOLLAR);
    expect(await settle(4 * DOLLAR)).toEqual({ found: true, spentMicros: 2 * DOLLAR, alerts: [] });
    expect(await settle(null)).toEqual({ found: true, spentMicros: 2 * DOLLAR, alerts: [] });
    expect((await status()).daily).toMatchObject({ held: 0, spent: 2 });
  });

  test('an unknown cost charges what was held, until the cost becomes known', async () => {
    const { runId, reserve, settle, status } = await scene({ daily: 5 });
    await reserve(2 * DOLLAR);
    expect(await settle(null)).toMatchObject({ spentMicros: 2 * DOLLAR });
    expect(await ledger.spentOnStep(runId, 'step')).toEqual({ micros: 2 * DOLLAR, unknown: true });
    expect(await settle(3 * DOLLAR)).toMatchObject({ spentMicros: 3 * DOLLAR, alerts: [{ percent: 50 }] });
    expect(await ledger.spentOnStep(runId, 'step')).toEqual({ micros: 3 * DOLLAR, unknown: false });
    expect((await status()).daily).toMatchObject({ held: 0, spent: 3 });
  });

  test('the hold of an attempt that recovery charged is not taken twice when the attempt is made after all', async () => {
    const { runId, reserve, settle, status } = await scene({ daily: 5 });
    const key = `${runId}/step/1`;
    await reserve(2 * DOLLAR, key);
    await settle(null, 1);
    expect(await reserve(2 * DOLLAR, key)).toEqual({ admitted: true });
    expect((await status()).daily).toMatchObject({ held: 0, spent: 2 });
    await settle(1 * DOLLAR, 1);
    expect((await status()).daily).toMatchObject({ held: 0, spent: 1 });
  });

  test('a released key may be reserved anew, in the period of that moment', async () => {
    const { runId, reserve, settle, status } = await scene({ daily: 5 });
    const key = `${runId}/step/1`;
    await reserve(2 * DOLLAR, key);
    await ledger.settle(key, 0);
    expect((await status()).daily).toMatchObject({ held: 0, spent: 0 });
    await clock.advance(24 * 3_600_000);
    await reserve(3 * DOLLAR, key);
    expect((await status()).daily).toMatchObject({ startsOn: '2026-01-06', held: 3, spent: 0 });
    await settle(4 * DOLLAR, 1);
    expect((await status()).daily).toMatchObject({ held: 0, spent: 4 });
  });

  test('a key with a known cost is not reserved again', async () => {
    const { runId, reserve, settle } = await scene({ daily: 5 });
    await reserve(DOLLAR);
    await settle(DOLLAR);
    await expect(reserve(DOLLAR, `${runId}/step/1`)).rejects.toMatchObject({ code: 'BUDGET_KEY_SPENT', status: 409 });
  });

  test('a cost under a key that was never reserved is not charged', async () => {
    expect(await ledger.settle('nobody/knows/1', 1)).toMatchObject({ found: false, spentMicros: 0, alerts: [] });
  });

  test('a hold taken before midnight is settled in the day in which it was taken', async () => {
    const { reserve, settle, status } = await scene({ daily: 5, weekly: 5 });
    clock.set('2026-01-06T04:59:59.999Z');
    await reserve(3 * DOLLAR);
    await clock.advance(1);
    expect((await status()).daily).toMatchObject({ startsOn: '2026-01-06', held: 0 });
    const { alerts } = await settle(4 * DOLLAR);
    expect(alerts.map(({ period, starts_on, percent }) => `${period} ${starts_on} ${percent}`)).toEqual([
      'day 2026-01-05 50',
      'day 2026-01-05 80',
      'week 2026-01-05 50',
      'week 2026-01-05 80',
    ]);
    expect(await status()).toMatchObject({
      daily: { spent: 0, remaining: 5, thresholds: [] },
      weekly: { spent: 4, held: 0, thresholds: [50, 80] },
    });
    expect(await reserve(2 * DOLLAR)).toMatchObject({ admitted: false, refusal: { period: 'week' } });
  });

  test('a limit lowered by an edit holds at the next reservation', async () => {
    const { campaign, runId, reserve, settle } = await scene({ daily: 5 });
    await reserve(2 * DOLLAR);
    await settle(2 * DOLLAR);
    const edited = { ...campaign, budget: { daily: 2.5 } };
    const next = { key: `${runId}/step/2`, campaign: edited, runId, stepName: 'step', amount: DOLLAR };
    expect(await ledger.reserve(next)).toMatchObject({ admitted: false, refusal: { limitMicros: 2.5 * DOLLAR } });
  });

  test('each threshold is told once in a period, to whoever crossed it', async () => {
    const { reserve, settle, status } = await scene({ monthly: 10 });
    const percents: number[][] = [];
    const costs = [4, 1, 1, 3.5, 0.5, 1];
    for (const _ of costs) await reserve(0);
    for (const [index, cost] of costs.entries())
      percents.push((await settle(cost * DOLLAR, index + 1)).alerts.map((alert) => alert.percent));
    expect(percents).toEqual([[], [50], [], [80], [100], []]);
    expect((await status()).monthly).toMatchObject({ percent: 110, thresholds: [50, 80, 100], remaining: 0 });
    clock.set('2026-02-02T12:00:00Z');
    await reserve(0);
    expect((await settle(9 * DOLLAR)).alerts).toMatchObject([
      { period: 'month', starts_on: '2026-02-01', percent: 50, limit: 10 * DOLLAR, spent: 9 * DOLLAR },
      { percent: 80 },
    ]);
  });

  test('the global limit binds all campaigns together, in a day of UTC', async () => {
    clock.set('2030-03-01T00:30:00Z');
    const shared = ledgerWith(3 * DOLLAR);
    const one = await scene({}, shared);
    const two = await scene({ daily: 100 }, shared);
    await one.reserve(2 * DOLLAR);
    expect(await two.reserve(2 * DOLLAR)).toMatchObject({
      admitted: false,
      refusal: {
        scope: 'global',
        period: 'day',
        startsOn: '2030-03-01',
        turnsAtMs: Date.parse('2030-03-02T00:00:00Z'),
      },
    });
    expect((await two.status()).daily.held).toBe(0);
    expect((await one.settle(3 * DOLLAR)).alerts).toMatchObject([
      { scope: 'global', percent: 50 },
      { scope: 'global', percent: 80 },
      { scope: 'global', percent: 100 },
    ]);
    expect((await two.status()).global).toMatchObject({ limit: 3, spent: 3, percent: 100, thresholds: [50, 80, 100] });
    const rows = await records.select('budget_alerts', { where: [{ column: 'scope', op: 'eq', value: 'global' }] });
    expect(new Set(rows.map((row) => row.campaign_id))).toEqual(new Set([null]));
  });

  test('the holds that a crash left are found, charged, and gone', async () => {
    const { runId, reserve, status } = await scene({ daily: 5 });
    await reserve(DOLLAR);
    await reserve(2 * DOLLAR);
    const holds = await ledger.openHolds(runId);
    expect(holds.map((hold) => [hold.key, hold.held_micros])).toEqual([
      [`${runId}/step/1`, DOLLAR],
      [`${runId}/step/2`, 2 * DOLLAR],
    ]);
    for (const hold of holds) await ledger.settle(hold.key, null);
    expect(await ledger.openHolds(runId)).toEqual([]);
    expect((await status()).daily).toMatchObject({ held: 0, spent: 3 });
  });

  test('a request that the database refuses does not take the others of its statement along', async () => {
    const { campaign, reserve, status } = await scene({ daily: 10 });
    const stray = {
      key: 'stray',
      campaign,
      runId: 'no id',
      stepName: 'step',
      amount: 1,
    };
    const [first, refused, last] = await Promise.allSettled([reserve(DOLLAR), ledger.reserve(stray), reserve(DOLLAR)]);
    expect(first).toMatchObject({ value: { admitted: true } });
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'RECORDS_REFUSED', sqlState: '22P02' } });
    expect(last).toMatchObject({ value: { admitted: true } });
    expect((await status()).daily.held).toBe(2);
  });

  test.each([Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY])('%d is not an amount', async (amount) => {
    const { reserve, settle } = await scene({});
    await expect(reserve(amount)).rejects.toThrow('not an amount');
    await reserve(1, undefined);
    await expect(settle(amount)).rejects.toThrow('not an amount');
  });

  test('nothing leaked in all of this', async () => {
    expect(await leaks(records)).toEqual([]);
  });
});

test('while the database is away nothing is admitted', async () => {
  const away = {
    call: () => Promise.reject(new DatabaseUnavailableError(new Error('gone'))),
  } as unknown as Records;
  const ledger = new DirectLedger({ records: away, clock: new TestClock(), globalDailyLimit: null });
  const campaign = { id: '0', timezone: 'UTC', budget: {} };
  const ask = (key: string) => ledger.reserve({ key, campaign, runId: '0', stepName: 'step', amount: 0 });
  for (const answer of await Promise.allSettled([ask('1'), ask('2'), ledger.settle('1', 1)]))
    expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'DATABASE_UNAVAILABLE', retryable: true } });
});
