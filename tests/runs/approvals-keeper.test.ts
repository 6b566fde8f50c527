import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createMetrics } from '../../api/metrics.ts';
import type { Records } from '../../database/records.ts';
import { Retention } from '../../scheduler/retention.ts';
import { loadConfig } from '../../shared/config.ts';
import { EventBus } from '../../shared/events.ts';
import { silentLogger } from '../../shared/logger.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { asks, HOUR_MS, Scene, works } from './approvals-support.ts';

let records: TestRecords;
let scene: Scene;
beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());
beforeEach(async () => {
  scene = await Scene.open(records);
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});

const NOTIFIED = { notifications: { onFailure: { email: ['ops@example.com', 'lead@example.com'], slack: false } } };
const asked = () => scene.asked([asks({ expiresIn: '10h' }), works()], NOTIFIED);
const reminded = async () => (await scene.told('approval.reminder')).length;
const at = (hours: number) => scene.clock.set(Date.parse('2026-03-02T09:00:00.000Z') + hours * HOUR_MS);

describe('reminders', () => {
  test('come at half and at nine tenths of the time, to everybody, and then no more', async () => {
    await asked();
    for (const [hours, messages] of [
      [4.99, 0],
      [5, 2],
      [5, 2],
      [8.99, 2],
      [9, 4],
      [9.99, 4],
    ] as const) {
      at(hours);
      await scene.tend();
      expect([hours, await reminded()]).toEqual([hours, messages]);
    }
    expect(await scene.approval()).toMatchObject({ reminders: 2, remind_at: null, state: 'pending' });
    expect(await scene.told('approval.asked')).toHaveLength(2);
    expect(
      scene.harness.seen.filter(({ type }) => type === 'approval.reminded').map(({ facts }) => facts),
    ).toMatchObject([{ times: 1 }, { times: 2 }]);
  });

  test('that are late come once, and not at all when the time is over', async () => {
    const { approval } = await asked();
    at(9.5);
    await scene.tend();
    await scene.tend();
    expect(await reminded()).toBe(2);
    expect(await scene.approval()).toMatchObject({ reminders: 1, remind_at: null });
    await scene.decide(approval.id);
    const later = await scene.run([asks({ expiresIn: '1h' })], NOTIFIED);
    scene.clock.set(scene.clock.now() + 2 * HOUR_MS);
    await scene.tend();
    expect(await reminded()).toBe(2);
    expect((await scene.harness.read(later.run.id)).run.status).toBe('failed');
  });

  test('are not sent twice by two that look at the same time', async () => {
    await asked();
    const other = scene.worker('two');
    at(5);
    await Promise.all([1, 2, 3].flatMap(() => [scene.harness.keeper.runOnce(), other.keeper.runOnce()]));
    expect(await reminded()).toBe(2);
    expect((await scene.approval()).reminders).toBe(1);
  });

  test('are not lost by one that dies after it has looked', async () => {
    await asked();
    const through = new Proxy<Records>(records, {
      get(target, key) {
        const value = Reflect.get(target, key, target) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) =>
          key === 'call' && args[0] === 'tend_approvals'
            ? Promise.resolve(value.apply(target, args)).then(() => Promise.reject(new Error('died')))
            : (value.apply(target, args) as unknown);
      },
    });
    at(5);
    await expect(scene.worker('two', { records: through }).keeper.runOnce()).rejects.toThrow('died');
    expect(await reminded()).toBe(0);
    await scene.tend();
    expect(await reminded()).toBe(2);
  });

  test('do not come after the answer', async () => {
    const { approval } = await asked();
    await scene.decide(approval.id, 'reject');
    at(5);
    await scene.tend();
    expect(await reminded()).toBe(0);
    expect((await scene.approval()).remind_at).toBeNull();
  });

  test('do not make a question that is asked again be mailed again', async () => {
    const second = asks({ expiresIn: '10h' }, { name: 'second' });
    await scene.run([{ parallel: [asks({ expiresIn: '10h' }), second] }, works()], NOTIFIED);
    at(5);
    await scene.tend();
    await scene.decide((await scene.approvals())[0]?.id ?? '');
    expect(await scene.told('approval.asked')).toHaveLength(4);
    expect(await reminded()).toBe(4);
  });
});

describe('the keeper', () => {
  test('does nothing where nothing waits, and begins and stops', async () => {
    await scene.tend();
    scene.harness.keeper.start();
    await scene.clock.untilSleeping();
    await scene.harness.keeper.stop();
    expect(scene.harness.seen).toEqual([]);
  });

  test('takes on what is due by itself', async () => {
    const { run } = await asked();
    scene.harness.keeper.start();
    await scene.clock.untilSleeping();
    at(10);
    const ended = scene.harness.next('run.finished');
    await scene.clock.advance(2_000);
    await ended;
    await scene.harness.idle();
    await scene.harness.keeper.stop();
    expect((await scene.harness.read(run.id)).run.status).toBe('failed');
  });

  test('withdraws questions whose run has ended or is gone', async () => {
    const quiet = { notifications: { onFailure: { slack: false } } };
    const { run } = await scene.asked([asks()], quiet);
    await scene.run([asks({}, { name: 'again' })], quiet);
    await records.pool.query("update campaign_runs set status = 'failed' where id = $1", [run.id]);
    await records.pool.query('delete from campaign_runs where id <> $1', [run.id]);
    await scene.tend();
    expect((await scene.approvals()).map(({ state }) => state)).toEqual(['withdrawn', 'withdrawn']);
  });
});

describe('approvals of old runs', () => {
  const round = (days: number) => {
    const config = loadConfig({});
    scene.clock.set(scene.clock.now() + days * 24 * HOUR_MS);
    const deps = { records, clock: scene.clock, events: new EventBus(), logger: silentLogger };
    const retention = new Retention({ ...deps, config: { retention: { ...config.retention, runsDays: 30 } } });
    return step(retention.runOnce());
  };
  /** Between its batches it takes a breath. */
  async function step<R>(work: Promise<R>): Promise<R> {
    const state = { done: false };
    const ended = work.finally(() => (state.done = true));
    while (!state.done) {
      await new Promise((resolve) => setImmediate(resolve));
      await scene.clock.advance(250);
    }
    return ended;
  }

  test('go after their run, not before it, and never while they wait', async () => {
    const { approval } = await asked();
    await scene.decide(approval.id);
    await scene.run([asks({ expiresIn: '90d' }, { name: 'again' })]);
    // A message about the run is still to be sent, and its cost is what the next is expected to be.
    expect(await round(40)).not.toHaveProperty('approvals');
    expect(await scene.approvals()).toHaveLength(2);
    await records.pool.query("update notifications set status = 'sent'");
    await records.pool.query('delete from budget_entries');
    await records.pool.query('update campaign_runs set ages_from_at = null');
    expect(await round(1)).toMatchObject({ runs: 1, approvals: 1 });
    expect(await scene.approvals()).toMatchObject([{ step_name: 'again', state: 'pending' }]);
  });
});

test('are counted by what became of them, with those that nobody has decided about', async () => {
  const pendingApprovals = () => records.count('approvals', [{ column: 'state', op: 'eq', value: 'pending' }]);
  const metrics = createMetrics(scene.harness.events, { process: false, pendingApprovals });
  const { approval } = await asked();
  await scene.decide(approval.id, 'reject');
  await scene.run([asks({ expiresIn: '1h' }, { name: 'again' })]);
  const pending = /^orchestrator_approvals_pending (.*)$/m;
  expect(pending.exec(await metrics.metrics())?.[1]).toBe('1');
  scene.clock.set(scene.clock.now() + HOUR_MS);
  await scene.tend();
  const text = await metrics.metrics();
  expect(pending.exec(text)?.[1]).toBe('0');
  for (const [outcome, times] of [
    ['asked', 2],
    ['rejected', 1],
    ['expired', 1],
  ])
    expect(text).toContain(`orchestrator_approvals_total{outcome="${outcome}"} ${times}`);
});
