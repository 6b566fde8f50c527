import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { JsonObject } from '../../database/tables.ts';
import { type ScriptedEngine, scriptedEngine } from '../support/scripted-engine.ts';
import { Service, temporaryFolder } from '../support/service.ts';

const SLOW_RUNS = 30;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let slow: ScriptedEngine;
let quick: ScriptedEngine;
let service: Service;
let release: () => void;

beforeAll(async () => {
  folder = await temporaryFolder();
  const held = new Promise<void>((resolve) => (release = resolve));
  slow = await scriptedEngine({
    '/api/prospect': async () => {
      await held;
      return { success: true, data: { saved: 1, cost: 0 } };
    },
  });
  quick = await scriptedEngine({ '/api/analyze': () => ({ success: true, summary: { successful: 1, totalCost: 0 } }) });
  service = await Service.start({
    DATA_DIR: join(folder.path, 'data'),
    CAMPAIGNS_DIR: join(folder.path, 'none'),
    ENGINE_PROSPECTING_URL: slow.url,
    ENGINE_ANALYSIS_URL: quick.url,
    MAX_CONCURRENT_RUNS: '4',
    ENGINE_CONCURRENCY: `2,${slow.url}=1`,
  });
}, 90_000);
afterAll(async () => {
  release();
  await service?.end();
  await Promise.all([slow?.close(), quick?.close()]);
  await folder.remove();
}, 60_000);

async function runsOf(engine: string, count: number): Promise<string[]> {
  const created = await service.post('/api/campaigns', { name: engine, overlap: 'allow', steps: [{ engine }] });
  const { id } = created.body['campaign'] as { id: string };
  const runIds: string[] = [];
  for (let started = 0; started < count; started += 1)
    runIds.push((await service.post(`/api/campaigns/${id}/run`)).body['runId'] as string);
  return runIds;
}

test('an engine that hangs holds up only the runs that need it, though they fill all slots and came first', async () => {
  const waiting = await runsOf('prospecting', SLOW_RUNS);
  await service.until(() => Promise.resolve(slow.requests.length === 1));
  for (const runId of await runsOf('analysis', 6)) {
    expect(await service.untilRun(runId, ['completed', 'failed'])).toMatchObject({ status: 'completed' });
  }
  expect(slow.requests).toHaveLength(1);
  const statuses = new Set<string>();
  for (const runId of waiting)
    statuses.add(String(((await service.get(`/api/runs/${runId}`)).body['run'] as JsonObject)['status']));
  expect([...statuses].filter((status) => status !== 'queued' && status !== 'running')).toEqual([]);

  release();
  for (const runId of waiting)
    expect(await service.untilRun(runId, ['completed', 'failed'])).toMatchObject({ status: 'completed' });
  expect(slow.requests).toHaveLength(SLOW_RUNS);
}, 120_000);
