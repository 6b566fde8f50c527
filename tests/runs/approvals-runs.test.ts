import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { JsonObject } from '../../database/tables.ts';
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

const other = (step: JsonObject = {}) => ({
  name: 'other',
  engine: 'analysis',
  retry: { attempts: 1, delay: 0 },
  ...step,
});
const refuse = (): void => {
  scene.scripts['/api/analyze'] = (_, response) => {
    response.statusCode = 400;
    return { error: 'no' };
  };
};

describe('beside a step that waits', () => {
  test('another one completes, once', async () => {
    const { run, approval } = await scene.asked([{ parallel: [asks(), other()] }, works()]);
    expect(await scene.state(run.id)).toEqual({ run: 'waiting', approval: 'waiting', other: 'completed' });
    await scene.decide(approval.id);
    expect(await scene.state(run.id)).toEqual({
      run: 'completed',
      approval: 'completed',
      other: 'completed',
      prospecting: 'completed',
    });
    expect(scene.calls('/api/analyze')).toHaveLength(1);
  });

  test('another one fails and lets the run go on: it waits, and ends partial', async () => {
    refuse();
    const { run, approval } = await scene.asked([{ parallel: [asks(), other({ onFailure: 'continue' })] }, works()]);
    expect(await scene.state(run.id)).toEqual({ run: 'waiting', approval: 'waiting', other: 'failed' });
    await scene.decide(approval.id);
    expect(await scene.state(run.id)).toMatchObject({
      run: 'partial',
      approval: 'completed',
      prospecting: 'completed',
    });
  });

  test('another one fails and ends the run: nobody is asked any more', async () => {
    refuse();
    const { run } = await scene.run([{ parallel: [asks(), other()] }, works()]);
    expect(await scene.state(run.id)).toEqual({
      run: 'failed',
      approval: 'cancelled',
      other: 'failed',
      prospecting: 'skipped',
    });
    await scene.tend();
    expect(await scene.approval()).toMatchObject({ state: 'withdrawn', remind_at: null });
  });

  test('another one fails and ends the run: an answer before anybody has looked is refused', async () => {
    refuse();
    const { approval } = await scene.asked([{ parallel: [asks(), other()] }, works()]);
    await expect(scene.decide(approval.id)).rejects.toMatchObject({ code: 'APPROVAL_WITHDRAWN', status: 409 });
    expect((await scene.approval()).state).toBe('withdrawn');
  });

  test('another one that ends the run when it succeeds does so after the answer', async () => {
    const { run, approval } = await scene.asked([{ parallel: [asks(), other({ onSuccess: 'abort' })] }, works()]);
    expect((await scene.state(run.id)).run).toBe('waiting');
    await scene.decide(approval.id);
    expect(await scene.state(run.id)).toMatchObject({
      run: 'completed',
      approval: 'completed',
      prospecting: 'skipped',
    });
  });

  test('another one asks, too: each is answered by itself, and the first answer is not asked for again', async () => {
    const second = asks({ title: 'And the price?' }, { name: 'second' });
    const { run } = await scene.run([{ parallel: [asks(), second] }, works()]);
    const [first, later] = await scene.approvals();
    await scene.decide(first?.id ?? '');
    expect(await scene.state(run.id)).toEqual({ run: 'waiting', approval: 'completed', second: 'waiting' });
    expect((await scene.harness.read(run.id)).run.status_reason).toBe('Waits for people to decide: second');
    await scene.decide(later?.id ?? '');
    expect(await scene.state(run.id)).toMatchObject({ run: 'completed', second: 'completed' });
    expect(await scene.approvals()).toHaveLength(2);
  });

  test('the budget refuses another one: the run is aborted and nobody is asked any more', async () => {
    const { run } = await scene.run([{ parallel: [asks(), other({ estimatedCost: 9 })] }], { budget: { daily: 5 } });
    expect(await scene.state(run.id)).toEqual({ run: 'aborted', approval: 'cancelled', other: 'skipped' });
    await scene.tend();
    expect((await scene.approval()).state).toBe('withdrawn');
  });

  test('a send is unknown: the run goes on once both have been settled', async () => {
    scene.scripts['/api/send-batch'] = () => undefined;
    const send = { name: 'send', engine: 'sender', timeout: 5_000, retry: { attempts: 1, delay: 0 } };
    const { id } = await scene.harness.createCampaign({ name: 'Both', steps: [{ parallel: [asks(), send] }, works()] });
    const sending = scene.engine.asked('/api/send-batch');
    const ended = scene.harness.runToEnd(id);
    await sending;
    await scene.clock.advance(5_000);
    const { run } = await ended;
    expect(await scene.state(run.id)).toEqual({ run: 'waiting', approval: 'waiting', send: 'unknown' });
    await scene.decide((await scene.approval()).id);
    expect(await scene.state(run.id)).toEqual({ run: 'waiting', approval: 'completed', send: 'unknown' });
    await scene.harness.runs.resolve(run.id, 'send', { outcome: 'done', note: 'seen', by: 'Ann' });
    await scene.harness.idle();
    expect(await scene.state(run.id)).toMatchObject({ run: 'completed', prospecting: 'completed' });
  });
});

describe('a run that waits for people', () => {
  test('ends at once when it is cancelled, with its question withdrawn', async () => {
    const { run, approval } = await scene.asked();
    expect(await scene.harness.runs.cancel(run.id, 'not wanted')).toEqual({ status: 'cancelled' });
    expect(await scene.state(run.id)).toEqual({ run: 'cancelled', approval: 'cancelled' });
    expect(await scene.approval()).toMatchObject({ state: 'withdrawn', remind_at: null });
    await expect(scene.decide(approval.id)).rejects.toMatchObject({ code: 'APPROVAL_WITHDRAWN', status: 409 });
    await scene.tend();
    expect(await scene.state(run.id)).toEqual({ run: 'cancelled', approval: 'cancelled' });
  });

  test('takes no answer any more while its cancel is under way', async () => {
    const hold = Promise.withResolvers<JsonObject>();
    scene.scripts['/api/analyze'] = () => hold.promise;
    const { id } = await scene.harness.createCampaign({ name: 'Both', steps: [{ parallel: [asks(), other()] }] });
    const asked = scene.harness.next('approval.asked');
    const { runId } = await scene.harness.runs.start(id, { force: false });
    await asked;
    await records.pool.query('update campaign_runs set cancel_requested_at = now()');
    const { id: approvalId } = await scene.approval();
    const late = scene.harness.approvals.decide(approvalId, { decision: 'approve', by: 'Bea', reason: null });
    await expect(late).rejects.toMatchObject({ code: 'APPROVAL_WITHDRAWN' });
    scene.harness.orchestrator.cancel(runId, 'not wanted');
    hold.resolve({});
    await scene.harness.idle();
    expect(await scene.state(runId)).toMatchObject({ run: 'cancelled', approval: 'cancelled' });
  });

  test('counts as active for the overlap policy', async () => {
    const { id } = await scene.harness.createCampaign({ name: 'Offer', steps: [asks(), works()] });
    const { run } = await scene.harness.runToEnd(id);
    await expect(scene.harness.runs.start(id, { force: false })).rejects.toMatchObject({ code: 'RUN_ACTIVE' });
    await scene.decide((await scene.approval()).id);
    await scene.harness.runs.start(id, { force: false });
    await scene.harness.idle();
    expect(run.status).toBe('waiting');
  });

  test('holds up those behind it in the line, which go on when it ends', async () => {
    const { id } = await scene.harness.createCampaign({ name: 'Offer', overlap: 'queue', steps: [asks(), works()] });
    const { run } = await scene.harness.runToEnd(id);
    const { runId } = await scene.harness.runs.start(id, { force: false });
    await scene.harness.idle();
    expect((await scene.harness.read(runId)).run.status).toBe('queued');
    await scene.decide((await scene.approval()).id);
    expect((await scene.harness.read(run.id)).run.status).toBe('completed');
    expect((await scene.harness.read(runId)).run.status).toBe('waiting');
  });

  test('is replaced by a newer one where the policy says so, and its question is withdrawn', async () => {
    const { id } = await scene.harness.createCampaign({ name: 'Offer', overlap: 'cancel_previous', steps: [asks()] });
    const { run } = await scene.harness.runToEnd(id);
    await scene.harness.runToEnd(id);
    expect((await scene.harness.read(run.id)).run.status).toBe('cancelled');
    expect((await scene.approvals()).map(({ state }) => state).toSorted()).toEqual(['pending', 'withdrawn']);
  });

  test('keeps its time of waiting out of the time of its step', async () => {
    const { run, approval } = await scene.asked([asks({}, { timeout: 1_000 }), works()]);
    scene.clock.set(scene.clock.now() + 48 * HOUR_MS);
    await scene.decide(approval.id);
    expect(await scene.state(run.id)).toMatchObject({ run: 'completed' });
  });
});

describe('a run that is repeated', () => {
  test('asks anew what was rejected', async () => {
    const { run, approval } = await scene.asked();
    await scene.decide(approval.id, 'reject');
    const { runId } = await scene.harness.runs.retry(run.id, { from: 'failed', definition: 'pinned' });
    await scene.harness.idle();
    const [, again] = await scene.approvals();
    expect(again).toMatchObject({ run_id: runId, state: 'pending' });
    await scene.decide(again?.id ?? '');
    expect(await scene.state(runId)).toMatchObject({ run: 'completed' });
  });

  test('keeps what was approved, as it was edited', async () => {
    refuse();
    const { run, approval } = await scene.asked([asks(), other(), works()]);
    await scene.harness.approvals.decide(approval.id, {
      decision: 'approve',
      by: 'Bea',
      reason: null,
      edits: { offer: '5 % off' },
    });
    await scene.harness.idle();
    expect(await scene.state(run.id)).toMatchObject({ run: 'failed', approval: 'completed' });
    scene.scripts['/api/analyze'] = () => ({ success: true, summary: { successful: 1 } });
    const { runId } = await scene.harness.runs.retry(run.id, { from: 'failed', definition: 'pinned' });
    await scene.harness.idle();
    expect(await scene.state(runId)).toMatchObject({ run: 'completed' });
    expect(await scene.approvals()).toHaveLength(1);
    expect(scene.calls()).toEqual([{ offer: '5 % off' }]);
  });
});
