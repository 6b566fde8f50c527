import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Recovery, type RecoveryDependencies } from '../../scheduler/recovery.ts';
import { silentLogger } from '../../shared/logger.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';
import { intercepted } from '../support/intercept.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { AT, later, LEASE_MS, RunCalls } from '../support/run-calls.ts';

let records: TestRecords;
let on: RunCalls;
let clock: TestClock;
let woken: string[];
beforeAll(async () => {
  records = await freshRecords();
  on = new RunCalls({ url: '', pool: records.pool, records });
}, 60_000);
afterAll(() => records.close());
beforeEach(() => {
  clock = new TestClock(AT);
  woken = [];
});
afterEach(() => records.truncate());

function recovery(more: Partial<RecoveryDependencies> = {}): Recovery {
  return new Recovery({
    records,
    clock,
    logger: silentLogger,
    queue: {
      busy: false,
      enqueueAll: (runIds) => {
        woken.push(...runIds);
        return Promise.resolve();
      },
    },
    sweepEveryMs: 5_000,
    validMs: LEASE_MS,
    isGone: () => false,
    ...more,
  });
}

describe('workers that are gone', () => {
  test('lose their runs at once; those of others are left alone until their lease has lapsed', async () => {
    const [dead, elsewhere] = [await on.heldRun('dead'), await on.heldRun('elsewhere')];
    const sweep = recovery({ isGone: (worker) => worker === 'dead' });
    expect(await sweep.takeFromGone()).toBe(1);
    expect(woken.splice(0)).toEqual([dead.runId]);
    expect(await on.claim(dead.runId, 'two')).toMatchObject({ epoch: 2 });
    expect(await on.claim(elsewhere.runId, 'two')).toBeNull();

    expect(await sweep.runOnce()).toBe(0);
    clock.set(later(LEASE_MS - 1));
    expect(await sweep.runOnce()).toBe(0);
    clock.set(later(LEASE_MS));
    await on.renew('two', [dead.runId], later(LEASE_MS));
    expect(await sweep.runOnce()).toBe(1);
    expect(woken).toEqual([elsewhere.runId]);
  });

  test('are asked about once: what was taken from them is not taken from whoever has it next', async () => {
    const { runId } = await on.heldRun('dead');
    const asked: string[] = [];
    const sweep = recovery({ isGone: (worker) => asked.push(worker) > 0 && worker === 'dead' });
    await sweep.takeFromGone();
    await sweep.takeFromGone();
    expect(asked).toEqual(['dead']);
    await on.claim(runId, 'two');
    expect(await sweep.takeFromGone()).toBe(0);
    expect(asked).toEqual(['dead', 'two']);
    expect(await on.run(runId)).toMatchObject({ claimed_by: 'two', lease_until_at: later(LEASE_MS) });
  });

  test('cannot write any more once another has the run', async () => {
    const { runId, epoch, seq } = await on.heldRun('dead');
    await recovery({ isGone: () => true }).takeFromGone();
    await on.claim(runId, 'two');
    const late = { run_id: runId, epoch, after_seq: seq, events: [{ type: 'step.completed', data: {} }] };
    expect(await on.commit(late)).toMatchObject([{ accepted: false }]);
  });
});

describe('the sweep', () => {
  test('as a loop looks for the gone every second, and at its start for all that is queued', async () => {
    const queued = await on.started(await on.campaign());
    const { runId } = await on.heldRun('dead');
    let gone = false;
    const sweep = recovery({ isGone: () => gone });
    sweep.start();
    await clock.untilSleeping();
    expect(woken.splice(0)).toEqual([queued]);
    gone = true;
    await clock.advance(1_000);
    await clock.untilSleeping();
    expect(woken).toContain(runId);
    await sweep.stop();
  });

  test('leaves a queued run to its own job at first, and finds it when that was lost', async () => {
    const sweep = recovery();
    const runId = await on.started(await on.campaign());
    clock.set(later(9_999));
    expect(await sweep.runOnce()).toBe(0);
    clock.set(later(10_000));
    expect(await sweep.runOnce()).toBe(1);
    expect(woken).toEqual([runId]);
  });

  test('takes the oldest only while jobs wait for a slot here already', async () => {
    const campaignId = await on.campaign('allow');
    const ids: string[] = [];
    for (let count = 0; count < 60; count += 1) ids.push(await on.started(campaignId));
    const enqueueAll = (runIds: readonly string[]) => Promise.resolve(void woken.push(...runIds));
    expect(await recovery({ queue: { busy: true, enqueueAll } }).runOnce(0)).toBe(50);
    expect(woken).toEqual(ids.slice(0, 50));
  });

  test('at the start of the only process voids all leases, and the runs can be taken', async () => {
    const held = [await on.heldRun('before'), await on.heldRun('other')];
    const sweep = recovery();
    await sweep.voidLeases();
    expect(await sweep.runOnce()).toBe(2);
    for (const { runId } of held) expect(await on.claim(runId, 'now')).toMatchObject({ epoch: 2 });
  });
});

test('leases that could not be renewed while the database was away are left alone for the length of a lease after it', async () => {
  let away = false;
  const cut = intercepted(records, (_, __, next) =>
    away ? Promise.reject(new DatabaseUnavailableError(new Error('gone'))) : next(),
  );
  const held = await on.heldRun();
  const before = await on.heldRun();
  await records.update('campaign_runs', { lease_until_at: later(-1) }, [
    { column: 'id', op: 'eq', value: before.runId },
  ]);
  const sweep = recovery({ records: cut });
  sweep.start();
  await clock.untilSleeping();
  // Lapsed before the outage: taken as always.
  expect(woken.splice(0)).toEqual([before.runId]);
  away = true;
  for (let second = 0; second < 2 * (LEASE_MS / 1_000); second += 1) {
    await clock.advance(1_000);
    await clock.untilSleeping();
  }
  away = false;
  for (let second = 0; second < LEASE_MS / 1_000 - 6; second += 1) {
    await clock.advance(1_000);
    await clock.untilSleeping();
  }
  expect(woken).not.toContain(held.runId);
  for (let second = 0; second < 12; second += 1) {
    await clock.advance(1_000);
    await clock.untilSleeping();
  }
  expect(woken).toContain(held.runId);
  await sweep.stop();
});
