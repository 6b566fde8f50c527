import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Clock } from '../../shared/clock.ts';
import { loadConfig } from '../../shared/config.ts';
import { EventBus } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { Retention } from '../../scheduler/retention.ts';
import { startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';

// The embedded database has one connection and can show no race; a server has.
let postgres: TestPostgres;
let database: TestDatabase;
beforeAll(async () => {
  postgres = await startPostgres();
  database = await postgres.createDatabase();
}, 60_000);
afterAll(() => postgres.stop(), 60_000);

// Later than any machine's clock, so that ids made now are old.
const NOW = Date.parse('2090-06-15T12:00:00.000Z');
const OLD = '2090-01-01T00:00:00.000Z';
const clock: Clock = { now: () => NOW, sleep: async () => undefined };

function replica(): Retention {
  const { records } = database;
  return new Retention({ records, clock, events: new EventBus(), logger: silentLogger, config: loadConfig({}) });
}

async function oldRuns(campaignId: string, many: number): Promise<string[]> {
  const { records } = database;
  const ids = Array.from({ length: many }, () => newId());
  const ended = { trigger: 'manual' as const, definition: {}, status: 'completed' as const, completed_at: OLD };
  await records.insert(
    'campaign_runs',
    ids.map((id) => ({ id, campaign_id: campaignId, created_at: OLD, event_seq: 3, ...ended })),
  );
  await records.insert(
    'run_events',
    ids.flatMap((id) => [1, 2, 3].map((seq) => ({ run_id: id, seq, type: 'x', occurred_at: OLD }))),
  );
  return ids;
}

async function aCampaign(): Promise<string> {
  const id = newId();
  await database.records.insert('campaigns', [{ id, name: 'Campaign', config: { steps: [] } }]);
  return id;
}

test('four replicas that prune at the same time remove each row once and get in nobody’s way', async () => {
  await oldRuns(await aCampaign(), 600);
  const all = await Promise.all([replica(), replica(), replica(), replica()].map((each) => each.runOnce()));
  const sum = (kind: string) => all.reduce((total, pruned) => total + (pruned[kind] ?? 0), 0);
  expect(sum('run_events') + (await database.records.count('run_events'))).toBe(1_800);
  expect(sum('runs') + (await database.records.count('campaign_runs'))).toBe(600);
  // One that finds everything taken leaves it to the others; an event may outlive its turn and go with its run.
  expect(await database.records.count('campaign_runs')).toBe(0);
}, 60_000);

test('a row that somebody works on is passed over, not waited for', async () => {
  const campaignId = await aCampaign();
  const [busy, ...others] = await oldRuns(campaignId, 3);
  const client = await database.pool.connect();
  try {
    await client.query('begin');
    // As a retry does that has not committed yet: its row refers to the run.
    await client.query('select 1 from campaign_runs where id = $1 for key share', [busy]);
    expect(await replica().runOnce()).toMatchObject({ runs: others.length });
    await client.query('rollback');
  } finally {
    client.release();
  }
  expect(await replica().runOnce()).toMatchObject({ runs: 1 });
}, 60_000);
