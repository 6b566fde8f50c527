import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { JsonObject } from '../../database/tables.ts';
import { startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';
import { startPostgrest } from '../support/postgrest.ts';
import { scriptedEngine, type ScriptedEngine } from '../support/scripted-engine.ts';
import { Service, temporaryFolder } from '../support/service.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let postgres: TestPostgres;
let database: TestDatabase;
let api: Awaited<ReturnType<typeof startPostgrest>>;
let engine: ScriptedEngine;
let service: Service;

beforeAll(async () => {
  folder = await temporaryFolder();
  postgres = await startPostgres();
  database = await postgres.createDatabase();
  api = await startPostgrest(database.pool);
  engine = await scriptedEngine({
    '/api/prospect': () => ({ success: true, data: { saved: 4, cost: 0.1 } }),
    '/api/analyze': (_, response) => {
      response.statusCode = 400;
      return { error: 'no such module' };
    },
  });
  service = await Service.start({
    SUPABASE_URL: api.url,
    SUPABASE_SERVICE_ROLE_KEY: api.key,
    DATA_DIR: join(folder.path, 'data'),
    CAMPAIGNS_DIR: join(folder.path, 'none'),
    ENGINE_PROSPECTING_URL: engine.url,
    ENGINE_ANALYSIS_URL: engine.url,
  });
});

afterAll(async () => {
  await service?.end();
  await engine?.close();
  await api?.close();
  await postgres?.stop();
  await folder.remove();
});

test('a run and the decisions about it are recorded over the API of Supabase', async () => {
  const created = await service.post('/api/campaigns', {
    name: 'Over the API',
    steps: [{ engine: 'prospecting' }, { engine: 'analysis', onFailure: 'continue' }],
  });
  const id = (created.body['campaign'] as JsonObject)['id'] as string;
  const started = await service.post(`/api/campaigns/${id}/run`);
  const run = await service.untilRun(started.body['runId'] as string, ['completed', 'partial', 'failed']);
  expect(run).toMatchObject({ status: 'partial', steps_completed: 1, steps_failed: 1, total_cost: 0.1 });
  const [row] = await database.records.select('campaign_runs');
  expect(row).toMatchObject({ id: started.body['runId'], campaign_id: id, status: 'partial', prospects_generated: 4 });
  const decisions = await database.records.select('agent_decisions');
  expect(decisions).toMatchObject([{ run_id: row?.id, action: 'continue_after_failure' }]);
  expect(service.log).not.toContain(api.key);
});
