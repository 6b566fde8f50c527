import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Refusal } from '../../notifications/gather-facts.ts';
import { REPEAT_AFTER_MS, runFinished } from '../../notifications/messages.ts';
import type { RunRow } from '../../database/tables.ts';
import { iso } from '../../shared/clock.ts';
import { newId } from '../../shared/ids.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { failedStep, makeDefinition, makeRun, NOW, PUBLIC_URL, storeRun } from './support.ts';

let records: TestRecords;
let campaignId: string;

beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());
beforeEach(async () => {
  await records.truncate();
  ({ campaignId } = await storeRun(records));
});

/** Ends a run of the campaign; returns the kinds of the messages that the outbox took. */
async function end(
  status: RunRow['status'],
  atMs: number,
  step = 'analysis',
  budgetRefusal?: Refusal,
): Promise<string[]> {
  const runId = newId();
  await records.insert('campaign_runs', [{ id: runId, campaign_id: campaignId, trigger: 'manual', definition: {} }]);
  const rows = runFinished({
    campaign: { id: campaignId, definition: makeDefinition() },
    run: makeRun({ id: runId, status }),
    steps: status === 'completed' ? [] : [failedStep(step)],
    ...(budgetRefusal ? { budgetRefusal } : {}),
    slackConfigured: true,
    publicUrl: PUBLIC_URL,
    nowMs: atMs,
  });
  await records.call('outbox_put', { p_rows: rows, p_now: iso(atMs) });
  const stored = await records.select('notifications', { where: [{ column: 'run_id', op: 'eq', value: runId }] });
  return stored.map((row) => row.kind);
}

describe('an episode of trouble', () => {
  test('is told once, and ends with one recovery notice', async () => {
    expect(await end('failed', NOW)).toEqual(['run.failed']);
    expect(await end('failed', NOW + 1_000)).toEqual([]);
    expect(await end('failed', NOW + 2_000)).toEqual([]);
    expect(await end('completed', NOW + 3_000)).toEqual(['run.completed', 'run.recovered']);
    expect(await end('completed', NOW + 4_000)).toEqual(['run.completed']);
    const [episode] = await records.select('alert_episodes');
    expect(episode).toMatchObject({ occurrences: 3, closed_at: iso(NOW + 3_000) });
  });

  test('is told once when two runs fail in the same millisecond', async () => {
    expect([await end('failed', NOW), await end('failed', NOW)]).toEqual([['run.failed'], []]);
  });

  test('is told again after 24 hours', async () => {
    await end('failed', NOW);
    expect(await end('failed', NOW + REPEAT_AFTER_MS - 1)).toEqual([]);
    expect(await end('failed', NOW + REPEAT_AFTER_MS)).toEqual(['run.failed']);
    expect(await end('failed', NOW + REPEAT_AFTER_MS + 1)).toEqual([]);
  });

  test('opens anew after a recovery', async () => {
    await end('failed', NOW);
    await end('completed', NOW + 1_000);
    expect(await end('failed', NOW + 2_000)).toEqual(['run.failed']);
    const [episode] = await records.select('alert_episodes');
    expect(episode).toMatchObject({ occurrences: 1, opened_at: iso(NOW + 2_000), closed_at: null });
  });

  test('is apart from other trouble of the campaign, and one recovery ends all of it', async () => {
    expect(await end('failed', NOW)).toEqual(['run.failed']);
    expect(await end('failed', NOW + 1_000, 'prospecting')).toEqual(['run.failed']);
    expect(await end('partial', NOW + 2_000)).toEqual(['run.partial']);
    expect(await end('completed', NOW + 3_000)).toEqual(['run.completed', 'run.recovered']);
  });

  test('covers the limit per lead, which one run after another passes', async () => {
    const tooDear: Refusal = {
      scope: 'run',
      period: 'lead',
      startsOn: null,
      limitMicros: 200_000,
      spentMicros: 4_000_000,
      heldMicros: 0,
      amountMicros: 1_000_000,
      turnsAtMs: null,
      message: 'The budget of $0.20 per lead would be passed.',
    };
    const abort = (atMs: number) => end('aborted', atMs, 'analysis', tooDear);
    expect(await abort(NOW)).toEqual(['budget.exceeded']);
    expect(await abort(NOW + 1_000)).toEqual([]);
    expect(await abort(NOW + REPEAT_AFTER_MS)).toEqual(['budget.exceeded']);
    expect(await end('completed', NOW + REPEAT_AFTER_MS + 1)).toEqual(['run.completed', 'run.recovered']);
    expect(await abort(NOW + REPEAT_AFTER_MS + 2)).toEqual(['budget.exceeded']);
  });

  test('is told to every recipient, each once', async () => {
    const runId = newId();
    await records.insert('campaign_runs', [{ id: runId, campaign_id: campaignId, trigger: 'manual', definition: {} }]);
    const definition = makeDefinition({
      notifications: {
        onComplete: { email: [], slack: false },
        onFailure: { email: ['a@example.com', 'b@example.com'], slack: null },
      },
    });
    const rows = runFinished({
      campaign: { id: campaignId, definition },
      run: makeRun({ id: runId, status: 'failed' }),
      steps: [failedStep('analysis')],
      slackConfigured: true,
      publicUrl: PUBLIC_URL,
      nowMs: NOW,
    });
    const put = () => records.call<number>('outbox_put', { p_rows: rows, p_now: iso(NOW) });
    expect([await put(), await put()]).toEqual([3, 0]);
    const stored = await records.select('notifications');
    expect(new Set(stored.map((row) => row.recipient))).toEqual(new Set(['a@example.com', 'b@example.com', 'default']));
  });
});
