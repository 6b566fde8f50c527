import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { newId } from '../../shared/ids.ts';
import { definition, insertCampaign, insertRun, makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

describe('POST /api/campaigns', () => {
  test('creates a campaign and says where it is and when it runs next', async () => {
    const { app } = makeApi(records);
    const answer = await request(app).post('/api/campaigns').send(definition);
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      success: true,
      campaign: { name: 'Weekly Restaurant Outreach', status: 'active', nextRun: '2026-01-12T09:00:00.000Z' },
    });
    expect(answer.headers['location']).toBe(`/api/campaigns/${answer.body.campaign.id}`);
  });

  test('tells every problem of a definition at once and stores nothing', async () => {
    const { app } = makeApi(records);
    const answer = await request(app)
      .post('/api/campaigns')
      .send({ name: '', schedule: 'whenever', steps: [{ name: 'a', engine: 'nothing' }], budget: { daily: -1 } });
    expect(answer.status).toBe(400);
    expect(answer.body.error.code).toBe('VALIDATION_FAILED');
    expect(answer.body.error.details.length).toBeGreaterThanOrEqual(4);
    expect(await records.count('campaigns')).toBe(0);
  });
});

describe('POST /api/campaigns/validate', () => {
  test('fills in defaults, shows the next run and stores nothing', async () => {
    const { app } = makeApi(records);
    const answer = await request(app).post('/api/campaigns/validate').send(definition);
    expect(answer.status).toBe(200);
    expect(answer.body.definition.schedule).toMatchObject({ cron: '0 9 * * MON', timezone: 'UTC', enabled: true });
    expect(answer.body.nextRun).toBe('2026-01-12T09:00:00.000Z');
    expect(await records.count('campaigns')).toBe(0);
  });

  test('is a path of its own and no id', async () => {
    const { app } = makeApi(records);
    const answer = await request(app).get('/api/campaigns/validate');
    expect(answer.status).toBe(405);
    expect(answer.headers['allow']).toBe('POST, OPTIONS');
  });
});

describe('GET /api/campaigns', () => {
  test('lists campaigns in the documented shape, newest first', async () => {
    const { app } = makeApi(records);
    await insertCampaign(records, { name: 'old' });
    await insertCampaign(records, {
      name: 'new',
      last_run_at: '2026-01-05T09:00:00.000Z',
      total_runs: 12,
      total_cost_micros: 45_800_000,
    });
    const answer = await request(app).get('/api/campaigns');
    expect(answer.status).toBe(200);
    expect(answer.body.campaigns.map((campaign: { name: string }) => campaign.name)).toEqual(['new', 'old']);
    expect(answer.body.campaigns[0]).toMatchObject({
      schedule: '0 9 * * MON',
      status: 'active',
      lastRun: '2026-01-05T09:00:00.000Z',
      nextRun: '2026-01-12T09:00:00.000Z',
      totalRuns: 12,
      totalCost: 45.8,
    });
    expect(answer.body.campaigns[0]).not.toHaveProperty('config');
  });

  test('pages through all of them without loss or repetition', async () => {
    const { app } = makeApi(records);
    const ids = [];
    for (let index = 0; index < 7; index += 1) ids.unshift((await insertCampaign(records)).id);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const answer = await request(app)
        .get('/api/campaigns')
        .query({ limit: 3, ...(cursor ? { cursor } : {}) });
      seen.push(...answer.body.campaigns.map((campaign: { id: string }) => campaign.id));
      cursor = answer.body.nextCursor;
    }
    expect(seen).toEqual(ids);
  });

  test('filters by status', async () => {
    const { app } = makeApi(records);
    await insertCampaign(records);
    const paused = await insertCampaign(records, { status: 'paused' });
    const answer = await request(app).get('/api/campaigns?status=paused');
    expect(answer.body.campaigns).toEqual([expect.objectContaining({ id: paused.id, nextRun: null })]);
  });

  test.each([
    ['limit=abc', 'limit'],
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['status=asleep', 'status'],
    ['status=%00', 'status'],
    ['cursor=nonsense', 'cursor'],
    ['cursor=aGVsbG8', 'cursor'],
    ['staus=paused', 'staus'],
  ])('refuses ?%s and names the parameter', async (query, path) => {
    const { app } = makeApi(records);
    const answer = await request(app).get(`/api/campaigns?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.body.error.details).toEqual([expect.objectContaining({ path })]);
  });
});

describe('one campaign', () => {
  test('is shown with its definition, replaced, and deleted', async () => {
    const { app } = makeApi(records);
    const created = await request(app).post('/api/campaigns').send(definition);
    const path = created.headers['location'] as string;
    expect((await request(app).get(path)).body.campaign.config.steps).toHaveLength(1);
    const replaced = await request(app)
      .put(path)
      .send({ ...definition, name: 'Renamed', schedule: '30 9 * * MON' });
    expect(replaced.body.campaign).toMatchObject({ name: 'Renamed', nextRun: '2026-01-05T09:30:00.000Z' });
    expect((await request(app).delete(path)).body).toEqual({ success: true, message: 'Campaign deleted' });
    expect((await request(app).get(path)).status).toBe(404);
    expect((await request(app).get('/api/campaigns')).body.campaigns).toEqual([]);
  });

  test('is paused with a reason and resumed', async () => {
    const { app } = makeApi(records);
    const { id } = await insertCampaign(records);
    const paused = await request(app).put(`/api/campaigns/${id}/pause`).send({ reason: 'holidays' });
    expect(paused.body).toEqual({ success: true, status: 'paused', nextRun: null });
    expect((await request(app).get(`/api/campaigns/${id}`)).body.campaign.statusReason).toBe('holidays');
    expect((await request(app).put(`/api/campaigns/${id}/pause`)).status).toBe(200);
    const resumed = await request(app).put(`/api/campaigns/${id}/resume`);
    expect(resumed.body).toMatchObject({ success: true, status: 'active', nextRun: '2026-01-12T09:00:00.000Z' });
  });

  test('shows what became of its nominal times', async () => {
    const { app } = makeApi(records);
    const { id } = await insertCampaign(records);
    for (const day of ['05', '06', '07'])
      await records.insert('campaign_fires', [
        {
          id: newId(),
          campaign_id: id,
          scheduled_for: `2026-01-${day}T09:00:00.000Z`,
          effective_for: `2026-01-${day}T09:00:10.000Z`,
          outcome: 'skipped',
          reason: 'overlap',
        },
      ]);
    const first = await request(app).get(`/api/campaigns/${id}/fires?limit=2`);
    expect(first.body.fires.map((fire: { scheduledFor: string }) => fire.scheduledFor)).toEqual([
      '2026-01-07T09:00:00.000Z',
      '2026-01-06T09:00:00.000Z',
    ]);
    const second = await request(app).get(`/api/campaigns/${id}/fires`).query({ cursor: first.body.nextCursor });
    expect(second.body).toMatchObject({ fires: [{ reason: 'overlap' }], nextCursor: null });
  });

  test.each([
    ['get', ''],
    ['put', ''],
    ['delete', ''],
    ['put', '/pause'],
    ['put', '/resume'],
    ['post', '/run'],
    ['get', '/runs'],
    ['get', '/fires'],
    ['get', '/budget'],
  ] as const)('%s /api/campaigns/:id%s tells an unknown id from an ill-formed one', async (method, rest) => {
    const { app } = makeApi(records);
    const unknown = await request(app)
      [method](`/api/campaigns/${newId()}${rest}`)
      .send(method === 'put' && !rest ? definition : undefined);
    expect(unknown.status).toBe(404);
    expect(unknown.body.error.code).toBe('NOT_FOUND');
    const illFormed = await request(app)[method](`/api/campaigns/42%00${rest}`);
    expect(illFormed.status).toBe(400);
    expect(illFormed.body.error.details).toEqual(expect.arrayContaining([expect.objectContaining({ path: 'id' })]));
  });
});

describe('POST /api/campaigns/:id/run', () => {
  test('answers at once with the run', async () => {
    const { app, started } = makeApi(records);
    const { id } = await insertCampaign(records);
    const answer = await request(app).post(`/api/campaigns/${id}/run`);
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ success: true, runId: expect.any(String), message: 'Campaign started' });
    expect(answer.headers['location']).toBe(`/api/runs/${answer.body.runId}`);
    expect(started).toEqual([{ campaignId: id, force: false }]);
    await request(app).post(`/api/campaigns/${id}/run`).send({ force: true });
    expect(started[1]).toEqual({ campaignId: id, force: true });
  });
});

describe('GET /api/campaigns/:id/runs', () => {
  test('gives the history in the documented shape', async () => {
    const { app } = makeApi(records);
    const { id } = await insertCampaign(records);
    await insertRun(records, id, {
      status: 'completed',
      started_at: '2026-01-05T09:00:00.000Z',
      completed_at: '2026-01-05T09:45:23.000Z',
      steps_completed: 4,
      prospects_generated: 20,
      leads_analyzed: 18,
      emails_sent: 12,
      total_cost_micros: 3_850_000,
    });
    await insertRun(records, (await insertCampaign(records)).id);
    const answer = await request(app).get(`/api/campaigns/${id}/runs`);
    expect(answer.body.runs).toEqual([
      expect.objectContaining({
        started_at: '2026-01-05T09:00:00.000Z',
        completed_at: '2026-01-05T09:45:23.000Z',
        status: 'completed',
        steps_completed: 4,
        steps_failed: 0,
        prospects_generated: 20,
        leads_analyzed: 18,
        emails_sent: 12,
        total_cost: 3.85,
        errors: [],
      }),
    ]);
    expect((await request(app).get('/api/runs')).body.runs).toHaveLength(2);
    expect((await request(app).get(`/api/runs?campaign=${id}&status=completed`)).body.runs).toHaveLength(1);
  });
});
