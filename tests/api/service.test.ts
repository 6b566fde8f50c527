import { describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { makeApi } from '../support/api.ts';

const records = { count: async (table: string) => (table === 'campaigns' ? 3 : 2) } as never;

describe('GET /api/health', () => {
  test('has the documented shape', async () => {
    const { body, status } = await request(makeApi(records).app).get('/api/health');
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'healthy',
      service: 'pipeline-orchestrator',
      activeCampaigns: 3,
      scheduledRuns: 5,
      version: expect.any(String),
      uptime: expect.any(Number),
    });
  });

  test.each([
    ['refuses', async () => Promise.reject(new DatabaseUnavailableError(new Error('away')))],
    ['never answers', async () => new Promise(() => undefined)],
  ])('stays 200 when the database %s', async (_what, count) => {
    const { app, clock } = makeApi({ count } as never);
    const asked = request(app)
      .get('/api/health')
      .then((answer) => answer);
    await clock.untilSleeping();
    await clock.advance(1_000);
    const { status, body } = await asked;
    expect([status, body.status, body.activeCampaigns, body.scheduledRuns]).toEqual([200, 'healthy', null, null]);
  });
});

describe('GET /api/ready', () => {
  test('is 503 and names what is missing', async () => {
    const checks = [
      { name: 'database', ok: false, message: 'The database does not answer.' },
      { name: 'queue', ok: true },
    ];
    const { app } = makeApi(records, { health: { ready: async () => ({ ready: false, checks }) } });
    const { status, body, headers } = await request(app).get('/api/ready');
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('5');
    expect(body.error).toEqual({
      code: 'NOT_READY',
      message: 'Not ready: database.',
      details: [{ path: 'database', message: 'The database does not answer.' }],
    });
  });
});

describe('GET /docs', () => {
  test('is a page that needs nothing from elsewhere and no inline script', async () => {
    const { app } = makeApi(records);
    const page = await request(app).get('/docs');
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    expect(page.text).not.toMatch(/https?:\/\/|<script>|\son\w+=/);
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(links).toHaveLength(4);
    for (const link of links) expect((await request(app).get(link)).status).toBe(200);
    expect((await request(app).get('/docs/start.js')).text).toContain("url: '/openapi.json'");
  });
});

test('GET / says where things are, and each link leads somewhere', async () => {
  const { app } = makeApi({ count: async () => 0, select: async () => [] } as never);
  const { body } = await request(app).get('/');
  for (const link of Object.values(body.links as Record<string, string>))
    expect((await request(app).get(link)).status).toBe(200);
});

describe('POST /api/schedules/preview', () => {
  const preview = (body: object) => request(makeApi(records).app).post('/api/schedules/preview').send(body);

  test('shows the fires over a daylight-saving change, in words and in UTC', async () => {
    const answer = await preview({
      cron: '0 9 * * MON',
      timezone: 'America/New_York',
      from: '2026-03-01T00:00:00Z',
      count: 3,
    });
    expect(answer.body).toEqual({
      success: true,
      description: expect.stringContaining('Monday'),
      fires: ['2026-03-02T14:00:00.000Z', '2026-03-09T13:00:00.000Z', '2026-03-16T13:00:00.000Z'],
    });
  });

  test('names every field that is wrong', async () => {
    const answer = await preview({ cron: '61 9 * * MON', timezone: 'Mars/Olympus' });
    expect(answer.status).toBe(400);
    expect(answer.body.error.details.map((problem: { path: string }) => problem.path)).toEqual(['cron', 'timezone']);
    expect((await preview({ cron: '* * * * *', count: 1_001 })).status).toBe(400);
    expect((await preview({ cron: '* * * * *', count: 1_000 })).body.fires).toHaveLength(1_000);
  });
});
