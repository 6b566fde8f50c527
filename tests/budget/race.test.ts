import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';
import { leaks, storedCampaign } from './support/fixtures.ts';
import type { RaceOrder, RaceReport } from './support/racer.ts';
import { DirectLedger } from './support/direct-ledger.ts';

const DOLLAR = 1_000_000;

let server: TestPostgres;
let database: TestDatabase;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase();
}, 60_000);
afterAll(() => server.stop());

/** Runs each order in an operating system process of its own; all begin when the last is ready. */
async function race(orders: Omit<RaceOrder, 'url' | 'name'>[]): Promise<RaceReport[]> {
  const children: ChildProcess[] = [];
  try {
    for (const [index, order] of orders.entries()) {
      const child = fork(join(import.meta.dirname, 'support/racer.ts'), { execArgv: [], stdio: 'inherit' });
      children.push(child);
      child.send({ ...order, url: database.url, name: `racer-${index}` } satisfies RaceOrder);
    }
    await Promise.all(children.map((child) => once(child, 'message')));
    const reports = children.map((child) => once(child, 'message'));
    for (const child of children) child.send('go');
    return (await Promise.all(reports)).map(([report]) => report as RaceReport);
  } finally {
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null) return;
        const gone = once(child, 'exit');
        if (child.connected) child.disconnect();
        await gone;
      }),
    );
  }
}

const sum = (reports: RaceReport[], what: 'admitted' | 'refused') =>
  reports.reduce((total, report) => total + report[what], 0);

async function deadlocks(): Promise<number> {
  const { rows } = await database.pool.query<{ deadlocks: number }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  return rows[0]?.deadlocks ?? -1;
}

describe('processes that share a budget', () => {
  test('of five that race for the last dollar exactly one gets it, every time', async () => {
    const { records } = database;
    const ledger = new DirectLedger({ records, clock: systemClock, globalDailyLimit: null });
    const rounds = await Promise.all(Array.from({ length: 40 }, () => storedCampaign(records, { daily: 2 })));
    // The counters exist before the race, which would else be decided by who inserts them.
    for (const { campaign, runId } of rounds) {
      await ledger.reserve({ key: runId, campaign, runId, stepName: 'first', amount: DOLLAR });
      await ledger.settle(runId, DOLLAR);
    }
    const attempts = rounds.map(({ campaign, runId }) => ({ campaign, runId, amount: DOLLAR, cost: null }));
    const order = { globalDailyLimit: null, attempts, abreast: 1, journal: false };
    const reports = await race(Array.from({ length: 5 }, () => order));
    expect(reports.flatMap((report) => report.errors)).toEqual([]);
    expect([sum(reports, 'admitted'), sum(reports, 'refused')]).toEqual([40, 160]);
    for (const { campaign } of rounds)
      expect((await ledger.status(campaign)).daily).toMatchObject({ spent: 1, held: 1, remaining: 0 });
  }, 60_000);

  test('campaign and global limits hold together under many keys at once, without a deadlock or a leak', async () => {
    const { records } = database;
    const globalDailyLimit = 500 * DOLLAR;
    const rounds = await Promise.all(Array.from({ length: 6 }, () => storedCampaign(records, { daily: 100 })));
    const orders = [0, 1, 2, 3].map((shift) => ({
      globalDailyLimit,
      abreast: 12,
      journal: true,
      // Each process goes round the campaigns in another order.
      attempts: Array.from({ length: 180 }, (_, index) => {
        const step = shift % 2 === 0 ? index + shift : 6_000 - index - shift;
        const { campaign, runId } = rounds[step % rounds.length] as (typeof rounds)[number];
        return { campaign, runId, amount: DOLLAR, cost: DOLLAR };
      }),
    }));
    const reports = await race(orders);
    expect(reports.flatMap((report) => report.errors)).toEqual([]);
    // 720 ask for a dollar each; 6 campaigns may spend 100 each, all together 500.
    expect([sum(reports, 'admitted'), sum(reports, 'refused')]).toEqual([500, 220]);
    const ledger = new DirectLedger({ records, clock: systemClock, globalDailyLimit });
    for (const { campaign } of rounds) {
      const { daily, global } = await ledger.status(campaign);
      expect(daily.spent).toBeLessThanOrEqual(100);
      expect(global).toMatchObject({ spent: 500, held: 0, thresholds: [50, 80, 100] });
    }
    expect(await leaks(records)).toEqual([]);
    expect(await deadlocks()).toBe(0);
  }, 120_000);
});
