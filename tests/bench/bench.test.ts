import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { measureMemory } from './memory.ts';
import { renderBench } from './report.ts';
import { measureRestart, measureScale } from './scale.ts';
import { measureThroughput } from './throughput.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop());

/** How fast is nobody's business here: only that everything is measured and every run ends. */
test('the bench measures every rival and shows the ratios', async () => {
  const throughput = [await measureThroughput(postgres, 5, 20, 1)];
  const text = renderBench({ cores: 1, node: 'v0', throughput });
  expect(text).toMatch(/ratios: [\d.]+× pg-boss, [\d.]+× pg-boss with the same record, [\d.]+× the floor/);
}, 60_000);

test('the bench measures a restart, rest and a herd of campaigns', async () => {
  const restart = await measureRestart(postgres, 3);
  const scale = await measureScale(postgres, 20, 1);
  expect(restart.lastSeconds).toBeGreaterThanOrEqual(restart.firstSeconds);
  expect(scale.herd.campaigns).toBe(20);
  expect(scale.herd.lastEndedSeconds).toBeGreaterThanOrEqual(scale.herd.lastStartedSeconds);
  expect(renderBench({ cores: 1, node: 'v0', throughput: [], restart, scale })).toContain('All 20 due at once');
}, 60_000);

test('the bench measures how fast a session has its state again, and says where it could not', async () => {
  const memory = await measureMemory(postgres, 3);
  const text = renderBench({ cores: 1, node: 'v0', throughput: [], memory });
  expect(text).toMatch(
    /Cached state recovery, 200 KB \(p50 \/ p95 of 3\): in process [\d.]+ ms \/ [\d.]+ ms, with Redis .+, from Postgres [\d.]+ ms/,
  );
  expect(renderBench({ cores: 1, node: 'v0', throughput: [], memory: { ...memory, redis: null } })).toContain(
    'with Redis not measured: no redis-server, from',
  );
}, 60_000);
