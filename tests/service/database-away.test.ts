import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { JsonObject } from '../../database/tables.ts';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { scriptedEngine, type ScriptedEngine } from '../support/scripted-engine.ts';
import { Service, temporaryFolder } from '../support/service.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let postgres: TestPostgres;
let proxy: CuttableProxy;
let engine: ScriptedEngine;
let service: Service;
let release: () => void;

beforeAll(async () => {
  folder = await temporaryFolder();
  postgres = await startPostgres();
  proxy = await cuttableProxy(postgres.port);
  const held = new Promise<void>((resolve) => (release = resolve));
  engine = await scriptedEngine({
    '/api/prospect': async () => {
      await held;
      return { success: true, data: { saved: 4, cost: 0.1 } };
    },
    '/api/analyze': () => ({ success: true, summary: { successful: 4, totalCost: 0.1 } }),
  });
  const database = new URL(await postgres.createEmptyDatabase());
  database.port = String(proxy.port);
  service = await Service.start({
    DATABASE_URL: database.href,
    DATA_DIR: join(folder.path, 'data'),
    CAMPAIGNS_DIR: join(folder.path, 'none'),
    ENGINE_PROSPECTING_URL: engine.url,
    ENGINE_ANALYSIS_URL: engine.url,
  });
}, 90_000);

afterAll(async () => {
  await service?.end();
  await engine?.close();
  await proxy?.close();
  await postgres?.stop();
  await folder.remove();
}, 60_000);

describe('a database that is away for a while', () => {
  test('leaves the service up and saying so, and work goes on when it is back', async () => {
    const created = await service.post('/api/campaigns', {
      name: 'Through the outage',
      steps: [{ engine: 'prospecting' }, { engine: 'analysis' }],
    });
    const asked = engine.asked('/api/prospect');
    const started = await service.post(
      `/api/campaigns/${(created.body['campaign'] as JsonObject)['id'] as string}/run`,
    );
    await asked;

    await proxy.cut();
    release();
    await service.until(async () => (await service.get('/api/ready')).status === 503);
    expect((await service.get('/api/health')).status).toBe(200);
    const refused = await service.get('/api/campaigns');
    expect(refused).toMatchObject({ status: 503, body: { success: false, error: { code: 'DATABASE_UNAVAILABLE' } } });

    await proxy.restore();
    await service.until(async () => (await service.get('/api/ready')).status === 200);
    const run = await service.untilRun(started.body['runId'] as string, ['completed', 'failed', 'partial']);
    expect(run).toMatchObject({ status: 'completed', steps_completed: 2 });
    expect(engine.requests.map((request) => request.path)).toEqual(['/api/prospect', '/api/analyze']);
    expect(service.log).toContain('database.lost');
    expect(service.log).toContain('database.restored');
  }, 90_000);
});
