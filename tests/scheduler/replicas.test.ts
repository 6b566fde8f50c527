import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type TestPostgres, startPostgres } from '../support/postgres.ts';
import { SchedulerBench } from './bench.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop());

test('three replicas on one Postgres fire every campaign once for each nominal time', async () => {
  const { records } = await postgres.createDatabase();
  const bench = new SchedulerBench(records, '2026-01-05T08:30:00.000Z');
  const campaigns = await Promise.all(Array.from({ length: 150 }, () => bench.campaign({}, { overlap: 'allow' })));
  const replicas = [bench.scheduler, bench.makeScheduler(), bench.makeScheduler()];
  for (const time of ['09:00:00', '10:00:00']) {
    bench.clock.set(`2026-01-05T${time}.000Z`);
    const handled = await Promise.all(replicas.map((replica) => replica.runOnce()));
    expect(handled.reduce((sum, count) => sum + count, 0)).toBe(150);
  }
  for (const { id } of campaigns) expect(await bench.told(id)).toEqual(['09:00 ran', '10:00 ran']);
  expect(await records.count('campaign_runs')).toBe(300);
  expect(new Set(bench.enqueued).size).toBe(300);
  expect(bench.enqueued).toHaveLength(300);
}, 60_000);

test('a pause and a tick at the same moment agree on what became of the time', async () => {
  const { records } = await postgres.createDatabase();
  const bench = new SchedulerBench(records, '2026-01-05T08:30:00.000Z');
  const campaigns = await Promise.all(Array.from({ length: 60 }, () => bench.campaign()));
  bench.clock.set('2026-01-05T09:00:00.000Z');
  const pauses = campaigns.map(({ id, version }) =>
    records.update('campaigns', { status: 'paused', paused_by: 'operator', version: version + 1 }, [
      { column: 'id', op: 'eq', value: id },
      { column: 'version', op: 'eq', value: version },
    ]),
  );
  const [, paused] = await Promise.all([bench.scheduler.runOnce(), Promise.all(pauses)]);
  await bench.scheduler.runOnce();
  for (const [index, { id }] of campaigns.entries())
    expect(await bench.told(id)).toEqual([paused[index]?.length === 1 ? '09:00 skipped paused' : '09:00 ran']);
}, 60_000);
