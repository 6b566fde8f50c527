import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Claims } from '../../database/claims.ts';
import { leaseTimes } from '../../runs/lease.ts';
import { LeaseKeeper } from '../../runs/lease-keeper.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';
import { intercepted, type Interceptor } from '../support/intercept.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { AT, later, RunCalls } from '../support/run-calls.ts';

const LEASE_MS = 30_000;
const { validMs, renewEveryMs } = leaseTimes(LEASE_MS);

let records: TestRecords;
let on: RunCalls;
let clock: TestClock;
beforeAll(async () => {
  records = await freshRecords();
  on = new RunCalls({ url: '', pool: records.pool, records });
}, 60_000);
afterAll(() => records.close());
beforeEach(() => {
  clock = new TestClock(AT);
});
afterEach(() => records.truncate());

/** A worker's keeper over runs that it has claimed, with all that it says. */
async function keeperOf(count: number, interceptor: Interceptor = (_, __, next) => next()) {
  const through = intercepted(records, interceptor);
  const claims = new Claims({ records: through, clock, worker: 'one', validMs });
  const held: string[] = [];
  for (let made = 0; made < count; made += 1) {
    const claimed = await claims.take(await on.started(await on.campaign()));
    if (claimed) held.push(claimed.run.id);
  }
  const said: string[] = [];
  const warnings: string[] = [];
  const keeper = new LeaseKeeper({
    clock,
    logger: { ...silentLogger, warn: (text: string) => void warnings.push(text) },
    claims,
    leaseMs: LEASE_MS,
    held: () => [...held],
    onKept: (runId, untilMs) => said.push(`kept ${held.indexOf(runId)} ${new Date(untilMs).toISOString()}`),
    onLost: (runId) => said.push(`lost ${held.indexOf(runId)}`),
    onCancel: (runId, reason) => said.push(`cancel ${held.indexOf(runId)} ${reason}`),
  });
  return { keeper, held, said, warnings };
}
const leaseOf = async (runId: string) => (await on.run(runId)).lease_until_at;

describe('the times of a lease', () => {
  test.each([5_000, 30_000, 60_000, 3_600_000])('add up to a takeover within %i ms', (leaseMs) => {
    const { validMs: valid, renewEveryMs: every, sweepEveryMs } = leaseTimes(leaseMs);
    // A worker that dies right after renewing leaves its whole lease; the sweep comes just before that is over.
    expect(valid + sweepEveryMs).toBeLessThanOrEqual(leaseMs * 0.8);
    // One that lives may miss three renewals.
    expect(every * 4).toBeLessThanOrEqual(valid);
  });
});

describe('the keeper of leases', () => {
  test('renews all runs of its worker when it is time, and not before', async () => {
    const { keeper, held, said } = await keeperOf(2);
    await keeper.runOnce();
    expect(said.splice(0)).toEqual([0, 1].map((at) => `kept ${at} ${later(validMs)}`));
    clock.set(later(renewEveryMs - 1));
    await keeper.runOnce();
    expect(said).toEqual([]);
    clock.set(later(renewEveryMs));
    await keeper.runOnce();
    expect(said).toEqual([0, 1].map((at) => `kept ${at} ${later(renewEveryMs + validMs)}`));
    expect(await Promise.all(held.map(leaseOf))).toEqual(held.map(() => later(renewEveryMs + validMs)));
  });

  test('renews at once when the clock has been set back, and believes no longer in the lease of before', async () => {
    const { keeper, held, said } = await keeperOf(1);
    clock.set(later(renewEveryMs));
    await keeper.runOnce();
    said.splice(0);
    clock.set(later(-60_000));
    await keeper.runOnce();
    expect(said).toEqual([`kept 0 ${later(validMs - 60_000)}`]);
    expect(await leaseOf(held[0] as string)).toBe(later(validMs - 60_000));
  });

  test('as a loop keeps a run for as long as it is held, whoever else asks for it', async () => {
    const { keeper, held, said } = await keeperOf(1);
    keeper.start();
    const other = new Claims({ records, clock, worker: 'two', validMs });
    for (let half = 0; half < 3 * (LEASE_MS / 500); half += 1) {
      await clock.untilSleeping();
      expect(await other.take(held[0] as string)).toBeNull();
      await clock.advance(500);
    }
    await keeper.stop();
    expect(said).not.toContain('lost 0');
    expect(said.length).toBeGreaterThanOrEqual(Math.floor((3 * LEASE_MS) / renewEveryMs) - 2);
  });

  test('says which runs are lost: taken by another, ended, or pruned', async () => {
    const { keeper, held, said } = await keeperOf(4);
    clock.set(later(validMs));
    const other = new Claims({ records, clock, worker: 'two', validMs });
    expect(await other.take(held[1] as string)).not.toBeNull();
    await on.commit({ run_id: held[2] as string, epoch: 1, run: { status: 'completed' } });
    await records.remove('campaign_runs', [{ column: 'id', op: 'eq', value: held[3] as string }]);
    await keeper.runOnce();
    expect(said.toSorted()).toEqual([`kept 0 ${later(2 * validMs)}`, 'lost 1', 'lost 2', 'lost 3']);
    expect(await on.run(held[1] as string)).toMatchObject({ claimed_by: 'two', lease_until_at: later(2 * validMs) });
  });

  test('does not say so of a run that its worker has let go of meanwhile', async () => {
    const runs: string[] = [];
    const { keeper, held, said } = await keeperOf(1, async (name, _, next) => {
      const answer = await next();
      if (name === 'keep_runs') runs.push(...held.splice(0));
      return answer;
    });
    await on.commit({ run_id: held[0] as string, epoch: 1, run: { status: 'completed' } });
    await keeper.runOnce();
    expect(runs).toHaveLength(1);
    expect(said).toEqual([]);
  });

  test('passes on, at every look, that somebody asked for a run to stop', async () => {
    const { keeper, held, said } = await keeperOf(2);
    await keeper.runOnce();
    said.splice(0);
    await on.cancel(held[1] as string, 'no longer wanted');
    await on.cancel((await on.heldRun('two')).runId);
    clock.set(later(500));
    await keeper.runOnce();
    expect(said).toEqual(['cancel 1 no longer wanted']);
  });

  test('asks nothing while nothing is held', async () => {
    const calls: string[] = [];
    const { keeper } = await keeperOf(0, (name, _, next) => {
      calls.push(name);
      return next();
    });
    await keeper.runOnce();
    expect(calls).toEqual([]);
  });

  test('tries again after an outage at its next look, and does not complain of it', async () => {
    let away = true;
    const { keeper, said, warnings } = await keeperOf(1, (name, _, next) =>
      away && name === 'keep_runs' ? Promise.reject(new DatabaseUnavailableError(new Error('gone'))) : next(),
    );
    keeper.start();
    await clock.untilSleeping();
    expect(said).toEqual([]);
    away = false;
    await clock.advance(500);
    await clock.untilSleeping();
    await keeper.stop();
    expect(said).toEqual([`kept 0 ${later(500 + validMs)}`]);
    expect(warnings).toEqual([]);
  });
});
