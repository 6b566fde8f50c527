import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import type { PlanRow } from '../../database/tables-moves.ts';
import { addDays } from '../../moves/calendar.ts';
import { newId } from '../../shared/ids.ts';
import { makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { makeMonitor, STARTS_ON, storeMonitoringRun, storePlan, workContext } from './kpi-support.ts';

let records: TestRecords;
let api: ReturnType<typeof makeApi>;
let plan: PlanRow;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  api = makeApi(records);
  api.clock.set(`${addDays(STARTS_ON, 10)}T12:00:00.000Z`);
  plan = await storePlan(records, [
    { name: 'leads' },
    { name: 'cost', source: { type: 'csv', file: 'cost.csv', value: 'value', date: 'date' } },
  ]);
});
afterAll(() => records.close());

const get = async (id = plan.id) => request(api.app).get(`/api/plans/${id}/kpis`);
const enter = async (body: object, kpi = 'leads', id = plan.id) =>
  request(api.app).post(`/api/plans/${id}/kpis/${kpi}/readings`).send(body);

describe('the KPIs of a plan', () => {
  test('are shown before anything is known of them', async () => {
    const { status, body } = await get();
    expect(status).toBe(200);
    expect(body.kpis).toEqual([
      {
        kpi: 'leads',
        label: 'leads',
        unit: 'leads',
        baseline: 0,
        target: 890,
        colour: 'unknown',
        value: null,
        expected: 100,
        attainment: null,
        observedAt: null,
        stale: false,
        ageDays: null,
        trend: 'unknown',
        futureReadings: 0,
        history: [],
        source: null,
        lookedAt: null,
        problem: null,
        lastColour: null,
      },
      expect.objectContaining({ kpi: 'cost', source: 'csv:cost.csv' }),
    ]);
  });

  test('show what the last look came to', async () => {
    await enter({ value: 50 });
    const run = await storeMonitoringRun(records);
    const { monitor } = makeMonitor(records, api.clock);
    await monitor.pull({}, workContext(run, api.clock)).catch(() => undefined);
    const [leads, cost] = (await get()).body.kpis;
    expect(leads).toMatchObject({
      colour: 'red',
      problem: null,
      lookedAt: '2026-01-15T12:00:00.000Z',
      lastColour: { colour: 'red', since: '2026-01-15T12:00:00.000Z', changes: 1 },
    });
    expect(cost).toMatchObject({
      colour: 'unknown',
      problem: expect.stringContaining('KPI_SOURCE_MISSING'),
      lastColour: null,
    });
  });

  test('are told to be of no plan', async () => {
    const id = newId();
    expect((await get(id)).body.error).toMatchObject({ code: 'NOT_FOUND', details: [{ path: 'id' }] });
    expect((await get('x')).status).toBe(400);
  });
});

test('the history has every day, however many readings a day has', async () => {
  const rows = Array.from({ length: 6_000 }, (_, n) => ({
    plan_id: plan.id,
    kpi: 'leads',
    observed_at: new Date(Date.parse(STARTS_ON) + n * 120_000).toISOString(),
    value: n,
    source: 'test',
    read_at: '2026-01-15T12:00:00.000Z',
  }));
  await records.upsert('kpi_readings', rows, ['plan_id', 'kpi', 'observed_at']);
  const [leads] = (await get()).body.kpis;
  expect(leads.history).toHaveLength(9);
  expect(leads.history.map(({ value }: { value: number }) => value)).toEqual([
    719, 1439, 2159, 2879, 3599, 4319, 5039, 5759, 5999,
  ]);
  expect(leads.value).toBe(5_999);
});

describe('a value entered by hand', () => {
  test('counts at once, with who entered it', async () => {
    const { status, body } = await enter({ value: 99.5, by: 'ana' });
    expect(status).toBe(200);
    expect(body.kpi).toMatchObject({
      colour: 'green',
      value: 99.5,
      observedAt: '2026-01-15T12:00:00.000Z',
      ageDays: 0,
    });
    expect(await records.select('kpi_readings', { order: [{ column: 'observed_at' }] })).toMatchObject([
      { source: 'manual:ana', value: 99.5 },
    ]);
  });

  test('replaces the one of the same time', async () => {
    await enter({ value: 10, observedAt: '2026-01-14' });
    const { body } = await enter({ value: 85, observedAt: '2026-01-14T00:00:00Z' });
    expect(body.kpi).toMatchObject({ value: 85, history: [{ value: 85, expected: 90, colour: 'amber' }] });
  });

  test('of an earlier day does not hide a newer one', async () => {
    await enter({ value: 99 });
    expect((await enter({ value: 1, observedAt: '2026-01-10' })).body.kpi).toMatchObject({
      value: 99,
      colour: 'green',
    });
  });

  test.each([
    [{ value: 1, observedAt: '2026-01-16' }, 'observedAt', 'lies in the future'],
    [{ value: 1, observedAt: '2025-12-01' }, 'observedAt', 'lies more than 30 days before the plan'],
    [{ value: 1, observedAt: '01/02/2026' }, 'observedAt', 'is no day or time'],
    [{ value: 1e16 }, 'value', 'is beyond 10^15'],
    [{ value: '1' }, 'value', undefined],
    [{}, 'value', undefined],
    [{ value: 1, by: 'a\u0000b' }, 'by', 'holds a character that cannot be stored'],
    [{ value: 1, colour: 'green' }, '', undefined],
  ])('is refused when it is %j', async (body, path, message) => {
    const answer = await enter(body);
    expect(answer.status).toBe(400);
    const problem = answer.body.error.details.find((one: { path: string }) => one.path === path || path === '');
    expect(problem).toBeDefined();
    if (message) expect(problem.message).toBe(message);
    expect(await records.count('kpi_readings')).toBe(0);
  });

  test('is of a KPI and of a plan that there are', async () => {
    expect((await enter({ value: 1 }, 'none')).body.error).toMatchObject({
      code: 'NOT_FOUND',
      details: [{ path: 'kpi' }],
    });
    expect((await enter({ value: 1 }, 'leads', newId())).body.error).toMatchObject({ details: [{ path: 'id' }] });
    expect((await enter({ value: 1 }, '__proto__')).status).toBe(404);
  });
});
