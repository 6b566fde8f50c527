import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { JournalEntry, OutboxRow } from '../../database/journal.ts';
import { newId } from '../../shared/ids.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { AT, later, LEASE_MS, message, RunCalls } from '../support/run-calls.ts';

// On a real server: each of the pool's connections stands for a process of its own.
let server: TestPostgres;
let on: RunCalls;
beforeAll(async () => {
  server = await startPostgres();
  on = new RunCalls(await server.createDatabase());
}, 60_000);
afterAll(() => server.stop());

describe('the journal', () => {
  test('an older epoch writes nothing at all', async () => {
    const { campaignId, runId, epoch, seq } = await on.heldRun();
    await on.claim(runId, 'two', later(LEASE_MS));
    const stale: Partial<JournalEntry> = {
      run_id: runId,
      epoch,
      after_seq: seq,
      run: { status: 'completed', total_cost_micros: 5 },
      steps: [
        { name: 'step', position: 0, kind: 'sender', effect: 'once', status: 'completed' },
      ] as JournalEntry['steps'] & {},
      events: [{ type: 'run.finished', data: {} }],
      outbox: [message(campaignId)],
      decisions: [
        { id: newId(), agent: 'budget', action: 'pause', reasoning: '-', confidence: 1, predicted: {}, evidence: {} },
      ],
      pause: { reason: 'budget', resume_at: later(1) },
    };
    expect(await on.commit(stale)).toMatchObject([{ accepted: false }]);
    expect(await on.run(runId)).toMatchObject({
      status: 'running',
      claimed_by: 'two',
      total_cost_micros: 0,
      event_seq: seq,
    });
    expect(await on.campaignRow(campaignId)).toMatchObject({ status: 'active', total_runs: 0, total_cost_micros: 0 });
    expect(await on.eventsOf(runId)).toEqual(['1 run.queued']);
    const ours = [{ column: 'run_id', op: 'eq', value: runId }] as const;
    expect(await on.database.records.count('run_steps', ours)).toBe(0);
    expect(await on.database.records.count('agent_decisions', ours)).toBe(0);
    expect(
      await on.database.records.count('notifications', [{ column: 'campaign_id', op: 'eq', value: campaignId }]),
    ).toBe(0);
  });

  test('an entry that is repeated because its answer was lost counts once', async () => {
    const { campaignId, runId, epoch, seq } = await on.heldRun();
    const ending: Partial<JournalEntry> = {
      run_id: runId,
      epoch,
      after_seq: seq,
      run: { status: 'failed', total_cost_micros: 7 },
      events: [
        { type: 'step.failed', data: {} },
        { type: 'run.finished', data: {} },
      ],
      outbox: [message(campaignId, { episode_key: 'trouble', repeat_after_ms: 1 })],
    };
    for (const _ of [1, 2]) expect(await on.commit(ending)).toMatchObject([{ accepted: true, event_seq: seq + 2 }]);
    expect(await on.campaignRow(campaignId)).toMatchObject({ total_runs: 1, total_cost_micros: 7 });
    expect(await on.eventsOf(runId)).toEqual(['1 run.queued', '2 step.failed', '3 run.finished']);
    expect(
      await on.database.records.select('alert_episodes', {
        where: [{ column: 'campaign_id', op: 'eq', value: campaignId }],
      }),
    ).toMatchObject([{ occurrences: 1 }]);
  });

  test('an ended run takes no more entries', async () => {
    const { runId, epoch } = await on.heldRun();
    await on.commit({ run_id: runId, epoch, run: { status: 'completed' } });
    expect(await on.commit({ run_id: runId, epoch, run: { status: 'running' } })).toMatchObject([{ accepted: false }]);
    expect(await on.run(runId)).toMatchObject({
      status: 'completed',
      claimed_by: null,
      lease_until_at: null,
      completed_at: AT,
    });
  });

  test('entries of one statement are judged one by one, and answered in order', async () => {
    const [one, two] = [await on.heldRun(), await on.heldRun()];
    const event = [{ type: 'step.started', data: {} }];
    const answers = await on.commit(
      { run_id: two.runId, epoch: two.epoch, events: event },
      { run_id: one.runId, epoch: one.epoch + 1, events: event },
      { run_id: two.runId, epoch: two.epoch, events: event },
    );
    expect(answers).toMatchObject([
      { accepted: true, event_seq: 2 },
      { accepted: false },
      { accepted: true, event_seq: 3 },
    ]);
    expect(await on.eventsOf(two.runId)).toEqual(['1 run.queued', '2 step.started', '3 step.started']);
  });

  test('a pause for the budget raises the version, and leaves alone what a person paused', async () => {
    const { campaignId, runId, epoch } = await on.heldRun();
    const pause = { reason: 'The daily budget is used up.', resume_at: later(1_000) };
    await on.commit({ run_id: runId, epoch, pause });
    const paused = await on.campaignRow(campaignId);
    expect(paused).toMatchObject({
      status: 'paused',
      paused_by: 'budget',
      status_reason: pause.reason,
      resume_at: pause.resume_at,
      version: 2,
    });
    await on.database.records.update('campaigns', { paused_by: 'operator', resume_at: null }, [
      { column: 'id', op: 'eq', value: campaignId },
    ]);
    await on.commit({ run_id: runId, epoch, pause });
    expect(await on.campaignRow(campaignId)).toMatchObject({ paused_by: 'operator', resume_at: null, version: 2 });
  });
});

describe('the outbox', () => {
  test('one alert an episode and campaign, to every recipient, and one recovery', async () => {
    const [one, two] = [await on.campaign(), await on.campaign()];
    const put = (rows: OutboxRow[], at = AT) => on.call<number>('outbox_put', { p_rows: rows, p_now: at });
    const alert = { episode_key: 'recovery', repeat_after_ms: 60_000 };
    expect(await put([message(one, alert), message(one, alert), message(two, alert)])).toBe(3);
    expect(await put([message(one, alert), message(two, alert)], later(59_999))).toBe(0);
    expect(await put([message(one, alert)], later(60_000))).toBe(1);
    const over = { closes_episodes: true };
    expect(await put([message(one, over), message(one, over)], later(61_000))).toBe(2);
    expect(await put([message(one, over), message(two, over)], later(62_000))).toBe(1);
    expect(await put([message(one, alert)], later(63_000))).toBe(1);
  });
});
