import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RunRow } from '../../database/tables.ts';
import { newId } from '../../shared/ids.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { AT, later, LEASE_MS, RunCalls, times } from '../support/run-calls.ts';

// On a real server: each of the pool's connections stands for a process of its own.
let server: TestPostgres;
let on: RunCalls;
beforeAll(async () => {
  server = await startPostgres();
  on = new RunCalls(await server.createDatabase());
}, 60_000);
afterAll(() => server.stop());

describe('claims and leases', () => {
  test('of workers that claim a run at once one gets it', async () => {
    for (const _ of times(10, () => 0)) {
      const runId = await on.started(await on.campaign());
      const claims = await Promise.all(times(6, (worker) => on.claim(runId, `worker-${worker}`)));
      const won = claims.filter((claimed) => claimed !== null);
      expect(won).toHaveLength(1);
      expect(await on.run(runId)).toMatchObject({
        epoch: 1,
        claimed_by: won[0]?.claimed_by,
        lease_until_at: later(LEASE_MS),
      });
    }
  });

  test('a run is taken over when its lease has passed, and not before', async () => {
    const { runId, epoch } = await on.heldRun('one');
    expect(await on.claim(runId, 'two', later(LEASE_MS - 1))).toBeNull();
    expect(await on.renew('one', [runId], later(LEASE_MS - 1))).toMatchObject([{ run_id: runId, cancel: false }]);
    expect(await on.claim(runId, 'two', later(LEASE_MS))).toBeNull();
    const taken = await on.claim(runId, 'two', later(2 * LEASE_MS));
    expect(taken).toMatchObject({ epoch: epoch + 1, claimed_by: 'two', started_at: AT });
    expect(await on.renew('one', [runId], later(2 * LEASE_MS))).toEqual([]);
    expect(await on.commit({ run_id: runId, epoch, events: [{ type: 'step.completed', data: {} }] })).toMatchObject([
      { accepted: false },
    ]);
    expect(await on.commit({ run_id: runId, epoch: epoch + 1, events: [] })).toMatchObject([{ accepted: true }]);
  });

  test('a run that waits for earlier ones is claimed when the last of them has ended', async () => {
    const campaignId = await on.campaign('queue');
    const ids: string[] = [];
    for (const _ of [1, 2, 3]) ids.push(await on.started(campaignId));
    const [first, second, third] = ids as [string, string, string];
    const due = async () => {
      const found = await on.call<string[]>('runs_to_requeue', { p_now: AT, p_queued_before: AT, p_limit: 10_000 });
      return found.filter((id) => ids.includes(id));
    };
    expect(await due()).toEqual([first]);
    expect(await on.claim(third, 'one')).toBeNull();
    const { epoch } = (await on.claim(first, 'one')) as RunRow;
    expect(await on.claim(second, 'one')).toBeNull();
    expect(await due()).toEqual([]);
    await on.commit({ run_id: first, epoch, run: { status: 'waiting' } });
    expect(await on.claim(second, 'one')).toBeNull();
    await on.cancel(first);
    expect(await due()).toEqual([second]);
    expect(await on.claim(third, 'one')).toBeNull();
    expect(await on.claim(second, 'one')).toMatchObject({ status: 'running' });
  });
});

describe('overlap policies under concurrency', () => {
  const startAtOnce = async (overlap: string, count = 8) => {
    const campaignId = await on.campaign(overlap);
    const answers = await Promise.all(times(count, () => on.start(campaignId)));
    const runs = await on.database.records.select('campaign_runs', {
      where: [{ column: 'campaign_id', op: 'eq', value: campaignId }],
    });
    return {
      campaignId,
      admitted: answers.filter((answer) => answer.admitted),
      refused: answers.filter((answer) => !answer.admitted),
      runs,
    };
  };

  test('"skip" admits one of several started at once and names it to the others', async () => {
    for (const _ of times(10, () => 0)) {
      const { admitted, refused, runs } = await startAtOnce('skip');
      expect(runs.map((row) => row.id)).toEqual([admitted[0]?.run_id]);
      const refusal = { admitted: false, reason: 'overlap', active_run_id: runs[0]?.id };
      expect(refused).toEqual(times(7, () => refusal));
    }
  });

  test('"allow" admits all of them', async () => {
    expect((await startAtOnce('allow')).admitted).toHaveLength(8);
  });

  test('"queue" admits all, and never more than a hundred that wait', async () => {
    const { admitted, refused, runs } = await startAtOnce('queue', 130);
    expect([admitted.length, refused.length, runs.length]).toEqual([100, 30, 100]);
    expect(new Set(refused.map((answer) => answer.reason))).toEqual(new Set(['queue_full']));
  });

  test('"cancel_previous" leaves one of several started at once', async () => {
    const { campaignId, admitted, runs } = await startAtOnce('cancel_previous');
    expect(admitted).toHaveLength(8);
    expect(runs.map((row) => row.status).toSorted()).toEqual([...times(7, () => 'cancelled'), 'queued']);
    expect(await on.campaignRow(campaignId)).toMatchObject({ total_runs: 7 });
  });

  test('"cancel_previous" ends a run that waits for a person, and asks a running one to stop', async () => {
    const waiting = await on.heldRun('one', 'cancel_previous');
    await on.commit({ run_id: waiting.runId, epoch: waiting.epoch, run: { status: 'waiting' } });
    const second = await on.started(waiting.campaignId);
    expect(await on.run(waiting.runId)).toMatchObject({
      status: 'cancelled',
      status_reason: 'replaced by a newer run',
    });
    expect(await on.eventsOf(waiting.runId)).toEqual(['1 run.queued', '2 run.finished']);
    const held = (await on.claim(second, 'one')) as RunRow;
    const third = await on.started(waiting.campaignId);
    expect(await on.run(second)).toMatchObject({ status: 'running', cancel_requested_at: AT });
    expect(await on.renew('one', [second])).toEqual([
      { run_id: second, cancel: true, reason: 'replaced by a newer run' },
    ]);
    expect(await on.claim(third, 'two')).toBeNull();
    await on.commit({ run_id: second, epoch: held.epoch, run: { status: 'cancelled' } });
    expect(await on.claim(third, 'two')).toMatchObject({ status: 'running' });
  });

  test('a paused campaign starts only by force', async () => {
    const id = await on.campaign();
    await on.database.records.update('campaigns', { status: 'paused', status_reason: 'rest' }, [
      { column: 'id', op: 'eq', value: id },
    ]);
    expect(await on.start(id)).toEqual({ admitted: false, reason: 'paused', detail: 'rest' });
    expect(await on.start(id, true)).toMatchObject({ admitted: true });
    expect(await on.start(newId())).toEqual({ admitted: false, reason: 'not_found' });
  });
});

describe('cancelling', () => {
  test('a queued run ends here and now, and is counted', async () => {
    const id = await on.campaign();
    const runId = await on.started(id);
    expect(await on.cancel(runId, 'not needed')).toEqual({ found: true, status: 'cancelled' });
    expect(await on.run(runId)).toMatchObject({ status: 'cancelled', status_reason: 'not needed', completed_at: AT });
    expect(await on.eventsOf(runId)).toEqual(['1 run.queued', '2 run.finished']);
    expect(await on.campaignRow(id)).toMatchObject({ total_runs: 1 });
    expect(await on.claim(runId, 'one')).toBeNull();
  });

  test('a running one is left to its worker, and keeps the first reason', async () => {
    const { runId } = await on.heldRun();
    expect(await on.cancel(runId, 'first')).toEqual({ found: true, status: 'running' });
    expect(await on.cancel(runId, 'second')).toEqual({ found: true, status: 'running' });
    expect(await on.renew('one', [runId])).toEqual([{ run_id: runId, cancel: true, reason: 'first' }]);
  });

  test('an ended one stays as it ended, an unknown one is not found', async () => {
    const { runId, epoch } = await on.heldRun();
    await on.commit({ run_id: runId, epoch, run: { status: 'completed' } });
    expect(await on.cancel(runId)).toEqual({ found: true, status: 'completed' });
    expect(await on.run(runId)).toMatchObject({ status: 'completed', cancel_requested_at: null });
    expect(await on.cancel(newId())).toEqual({ found: false });
  });

  test('cancel and claim at once agree on who ends the run', async () => {
    for (const _ of times(20, () => 0)) {
      const runId = await on.started(await on.campaign());
      const [claimed, cancelled] = await Promise.all([on.claim(runId, 'one'), on.cancel(runId)]);
      const { status, cancel_requested_at } = await on.run(runId);
      expect(cancel_requested_at).toBe(AT);
      expect([status, cancelled.status]).toEqual(claimed ? ['running', 'running'] : ['cancelled', 'cancelled']);
    }
  });
});
