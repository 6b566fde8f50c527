import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import type { PlanRow } from '../../../database/tables-moves.ts';
import { newId } from '../../../shared/ids.ts';
import type { JsonObject } from '../../../shared/json.ts';
import { makeApi } from '../../support/api.ts';
import { type TestRecords, freshRecords } from '../../support/records.ts';
import { arc, AT, changed, insertMoves, insertPlan } from '../moves-support.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

async function insertArc(plan: PlanRow, arcVersion: number, value = arc): Promise<void> {
  await records.insert('arc_versions', [
    {
      plan_id: plan.id,
      arc_version: arcVersion,
      arc: value as unknown as JsonObject,
      reason: 'first',
      model: 'rules-v1',
      created_at: AT,
    },
  ]);
}

/** A plan with an approved arc and the moves of its first two weeks, on its first day. */
async function approvedPlan(): Promise<PlanRow> {
  const plan = await insertPlan(records);
  await insertArc(plan, 1);
  await insertMoves(records, { plan });
  return plan;
}

describe('GET /api/plans/{id}/timeline', () => {
  test('shows the arc of the present version with the moves of the plan', async () => {
    const plan = await approvedPlan();
    await insertArc(
      plan,
      2,
      changed(arc, (copy) => {
        copy.phases[0]!.name = 'Begin';
      }),
    );
    await records.update('plans', { arc_version: 2 }, [{ column: 'id', op: 'eq', value: plan.id }]);
    await insertMoves(records);
    const answer = await request(makeApi(records).app).get(`/api/plans/${plan.id}/timeline`);
    expect(answer.status).toBe(200);
    expect(answer.headers['vary']).toContain('Accept');
    const { timeline } = answer.body;
    expect(timeline).toMatchObject({ plan: { name: 'Lunch', arcVersion: 2, state: 'active' }, today: '2026-01-05' });
    expect(timeline.phases.map(({ name }: { name: string }) => name)).toEqual(['Begin', 'Growth', 'Loyalty']);
    expect(timeline.moves.map(({ title }: { title: string }) => title)).toEqual([
      'Send the welcome mail',
      'Remind them',
      'Show the dishes',
    ]);
    expect(timeline.dependencies).toHaveLength(3);
  });

  test('shows the newest value of each KPI against the target of the arc', async () => {
    const plan = await approvedPlan();
    const reading = { plan_id: plan.id, kpi: 'leads', source: 'manual:Ana', read_at: AT };
    await records.insert('kpi_readings', [
      { ...reading, observed_at: '2026-01-10T08:00:00.000Z', value: 105 },
      { ...reading, observed_at: '2026-01-20T08:00:00.000Z', value: 110 },
    ]);
    const { app, clock } = makeApi(records);
    clock.set('2026-01-21T09:00:00.000Z');
    const answer = await request(app).get(`/api/plans/${plan.id}/timeline`);
    expect(answer.body.timeline.kpis).toEqual([
      {
        kpi: 'leads',
        label: 'Leads',
        unit: 'leads',
        colour: 'red',
        value: 110,
        expected: expect.closeTo(167.4, 1),
        target: 500,
        stale: false,
        observedAt: '2026-01-20T08:00:00.000Z',
      },
      expect.objectContaining({ kpi: 'cost-per-guest', colour: 'unknown', value: null, observedAt: null }),
    ]);
    const picture = await request(app).get(`/api/plans/${plan.id}/timeline.svg`);
    expect(String(picture.body)).toContain('110 of 500 leads');
  });

  test('is empty, and no failure, before an arc is approved', async () => {
    const plan = await insertPlan(records, { state: 'planning', arc_version: 0 });
    const { app } = makeApi(records);
    const answer = await request(app).get(`/api/plans/${plan.id}/timeline`);
    expect(answer.body.timeline).toMatchObject({ plan: { state: 'planning', arcVersion: 0 }, phases: [], moves: [] });
    expect((await request(app).get(`/api/plans/${plan.id}/timeline.svg`)).status).toBe(200);
    expect((await request(app).get(`/api/plans/${plan.id}/timeline.ics`)).status).toBe(200);
  });

  test.each([
    ['', '*/*', 'application/json'],
    ['', 'application/json', 'application/json'],
    ['', 'image/svg+xml', 'image/svg+xml'],
    ['', 'text/calendar', 'text/calendar'],
    ['', 'application/json;q=0.5, text/calendar', 'text/calendar'],
    // What browsers send for a page and for a picture.
    ['', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', 'application/json'],
    ['', 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8', 'image/svg+xml'],
    ['', 'text/html', 'application/json'],
    ['?format=svg', 'application/json', 'image/svg+xml'],
    ['?format=ics', '*/*', 'text/calendar'],
    ['?format=json', 'image/svg+xml', 'application/json'],
    ['.svg', 'application/json', 'image/svg+xml'],
    ['.ics', 'application/json', 'text/calendar'],
  ])('of timeline%s with Accept: %s is %s', async (rest, accept, type) => {
    const plan = await approvedPlan();
    const { app } = makeApi(records);
    const answer = await request(app).get(`/api/plans/${plan.id}/timeline${rest}`).set('Accept', accept);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, `${type}; charset=utf-8`]);
  });

  test('as a picture may run nothing', async () => {
    const plan = await approvedPlan();
    for (const path of ['timeline.svg', 'timeline?format=svg']) {
      const answer = await request(makeApi(records).app).get(`/api/plans/${plan.id}/${path}`);
      expect(answer.headers).toMatchObject({
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
        'x-content-type-options': 'nosniff',
      });
      expect(String(answer.body)).toContain('Send the welcome mail');
    }
  });

  test('as a calendar is a file whose links lead to this service', async () => {
    const plan = await approvedPlan();
    const answer = await request(makeApi(records).app).get(`/api/plans/${plan.id}/timeline.ics`);
    expect(answer.headers['content-disposition']).toBe(`attachment; filename="plan-${plan.id}.ics"`);
    expect(answer.text).toContain('BEGIN:VCALENDAR');
    expect(answer.text.replaceAll('\r\n ', '')).toContain(`http://orchestrator.test/api/plans/${plan.id}\r\n`);
    expect(answer.text).toContain('DTSTAMP:20260105T090000Z');
  });

  test('refuses what is no plan, no id and no format', async () => {
    const plan = await approvedPlan();
    const { app } = makeApi(records);
    for (const rest of ['', '.svg', '.ics']) {
      const answer = await request(app).get(`/api/plans/${newId()}/timeline${rest}`);
      expect([answer.status, answer.body.error.code]).toEqual([404, 'NOT_FOUND']);
    }
    expect((await request(app).get('/api/plans/x/timeline')).status).toBe(400);
    expect((await request(app).get(`/api/plans/${plan.id}/timeline?format=pdf`)).status).toBe(400);
    expect((await request(app).get(`/api/plans/${plan.id}/timeline.svg?format=svg`)).status).toBe(400);
  });
});
