import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import type { JsonObject, RunRow } from '../../database/tables.ts';
import { quietPool, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { type Script, type ScriptedEngine, scriptedEngine } from '../support/scripted-engine.ts';
import { Service, temporaryFolder } from '../support/service.ts';

/** So long that no lease can be the reason when a run goes on. */
const LEASE_MS = 60_000;
/** Well before the sweep, which leaves queued runs alone for ten seconds. */
const AT_ONCE_MS = 4_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let postgres: TestPostgres;
let engine: ScriptedEngine;
let scripts: Record<string, Script>;
let url: string;
let pool: Pool;
let records: SqlRecords;
let services: Service[];

beforeAll(async () => {
  folder = await temporaryFolder();
  postgres = await startPostgres();
}, 90_000);
afterAll(async () => {
  await postgres?.stop();
  await folder.remove();
}, 60_000);

beforeEach(async () => {
  scripts = {
    '/api/prospect': () => ({ success: true, data: { saved: 4, cost: 0.1 } }),
    '/api/analyze': () => ({ success: true, summary: { successful: 4, totalCost: 0.1 } }),
    '/api/send-batch': () => ({ success: true, results: { sent: ['a'], failed: [], skipped: [] } }),
  };
  engine = await scriptedEngine(scripts);
  url = await postgres.createEmptyDatabase();
  pool = quietPool({ connectionString: url, max: 2, types: recordTypes });
  records = new SqlRecords(pool);
  services = [];
});
afterEach(async () => {
  await Promise.all(services.map((service) => service.end('SIGKILL')));
  await pool.end();
  await engine.close();
}, 60_000);

async function replica(): Promise<Service> {
  const service = await Service.start({
    DATABASE_URL: url,
    DATA_DIR: join(folder.path, `data-${services.length}`),
    CAMPAIGNS_DIR: join(folder.path, 'none'),
    ENGINE_PROSPECTING_URL: engine.url,
    ENGINE_ANALYSIS_URL: engine.url,
    ENGINE_OUTREACH_URL: engine.url,
    RUN_LEASE_MS: String(LEASE_MS),
  });
  services.push(service);
  return service;
}

/** Runs of one campaign that is prospecting, analysis and send, handed to one of the replicas. */
async function startRuns(service: Service, count: number): Promise<string[]> {
  const steps = ['prospecting', 'analysis', 'sender'].map((kind) => ({ name: kind, engine: kind }));
  const created = await service.post('/api/campaigns', { name: 'Handed over', overlap: 'allow', steps });
  const id = (created.body['campaign'] as JsonObject)['id'] as string;
  const started = await Promise.all(Array.from({ length: count }, () => service.post(`/api/campaigns/${id}/run`)));
  return started.map(({ body }) => body['runId'] as string);
}

const calls = (path: string, runId: string) =>
  engine.requests.filter(
    (request) => request.path === path && String(request.headers['idempotency-key']).startsWith(`${runId}/`),
  ).length;
const runOf = async (runId: string) =>
  (await records.select('campaign_runs', { where: [{ column: 'id', op: 'eq', value: runId }] }))[0] as RunRow;
const holderOf = async (runId: string) => {
  const pid = (await runOf(runId)).claimed_by?.split('/').at(-2);
  return services.find((service) => String(service.process.pid) === pid) as Service;
};
/** When each event of a run came, by type and number of that type. */
async function timesOf(runId: string): Promise<Record<string, number[]>> {
  const events = await records.select('run_events', {
    where: [{ column: 'run_id', op: 'eq', value: runId }],
    order: [{ column: 'seq' }],
  });
  expect(events.map((event) => event.seq)).toEqual(events.map((_, at) => at + 1));
  const times: Record<string, number[]> = {};
  for (const { type, occurred_at } of events) (times[type] ??= []).push(Date.parse(occurred_at));
  return times;
}

describe('SIGTERM to one of two replicas in the middle of many runs', () => {
  test('leaves them to the other at once: no step that had ended is done again, and each mail is sent once', async () => {
    const release = Promise.withResolvers<void>();
    scripts['/api/analyze'] = async () => {
      await release.promise;
      return { success: true, summary: { successful: 4, totalCost: 0.1 } };
    };
    const [one, two] = [await replica(), await replica()];
    const runIds = await startRuns(one, 20);
    await one.until(() => Promise.resolve(runIds.every((id) => calls('/api/analyze', id) === 1)));
    const holders = await Promise.all(runIds.map(holderOf));
    const stopped = holders.filter((service) => service === two).length > 10 ? two : one;
    const other = stopped === one ? two : one;

    const ended = stopped.end('SIGTERM');
    // Then the parts stop one after the other; runs that go on to their end before it is their turn are not handed over.
    await other.until(() => Promise.resolve(stopped.log.includes('Service stopping')));
    release.resolve();
    expect(await ended).toBe(0);
    for (const runId of runIds) {
      expect(await other.untilRun(runId, ['completed', 'failed', 'partial'])).toMatchObject({ status: 'completed' });
      expect(['/api/prospect', '/api/analyze', '/api/send-batch'].map((path) => calls(path, runId))).toEqual([1, 1, 1]);
    }
    const handedOver = (await Promise.all(runIds.map(runOf))).filter((run) => run.epoch === 2);
    expect(handedOver.length).toBeGreaterThan(0);
    for (const { id } of handedOver) {
      const times = await timesOf(id);
      expect((times['run.resumed']?.[0] ?? Infinity) - (times['step.completed']?.[1] ?? 0)).toBeLessThan(AT_ONCE_MS);
    }
  }, 120_000);
});

describe('kill -9', () => {
  /** A run whose analysis, once asked, hangs the first time. */
  async function hanging(service: Service): Promise<string> {
    scripts['/api/analyze'] = (_, __, earlier) =>
      earlier === 0 ? undefined : { success: true, summary: { successful: 4, totalCost: 0.1 } };
    const asked = engine.asked('/api/analyze');
    const [runId = ''] = await startRuns(service, 1);
    await asked;
    return runId;
  }

  test('of one of two replicas on a machine: the other takes its run over at once, well before the lease', async () => {
    const [one, two] = [await replica(), await replica()];
    const runId = await hanging(one);
    const killed = await holderOf(runId);
    const other = killed === one ? two : one;
    await killed.end('SIGKILL');
    const killedAt = Date.now();
    expect(await other.untilRun(runId, ['completed', 'failed', 'partial'])).toMatchObject({ status: 'completed' });
    expect((await timesOf(runId))['run.resumed']?.[0] ?? Infinity).toBeLessThan(killedAt + AT_ONCE_MS);
    expect(['/api/prospect', '/api/analyze', '/api/send-batch'].map((path) => calls(path, runId))).toEqual([1, 2, 1]);
    expect(await runOf(runId)).toMatchObject({ epoch: 2 });
  }, 120_000);

  test('of the only process: its next start takes the run up within two seconds of being ready', async () => {
    const runId = await hanging(await replica());
    await services[0]?.end('SIGKILL');
    const next = await replica();
    expect(await next.untilRun(runId, ['completed', 'failed', 'partial'])).toMatchObject({ status: 'completed' });
    const ready = /^.*Service ready.*$/m.exec(next.log)?.[0] ?? '{}';
    const readyAt = Date.parse(String((JSON.parse(ready) as JsonObject)['timestamp']));
    expect((await timesOf(runId))['run.resumed']?.[0] ?? Infinity).toBeLessThan(readyAt + 2_000);
    expect(['/api/prospect', '/api/analyze', '/api/send-batch'].map((path) => calls(path, runId))).toEqual([1, 2, 1]);
  }, 120_000);
});
