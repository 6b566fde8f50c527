import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { RunRow } from '../../database/tables.ts';
import { PLANS_CAMPAIGN_ID } from '../../moves/plan-definition.ts';
import { PlanKeeper } from '../../moves/plan-keeper.ts';
import type { Evidence } from '../../moves/statement.ts';
import { EventBus } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { PlanScene } from './planner-support.ts';
import { PlanningModel } from './planning-parts.ts';

let records: TestRecords;
let scene: PlanScene;
let model: PlanningModel;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => {
  model = new PlanningModel();
  scene = new PlanScene(records, { model });
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

describe('a plan that nobody plans any more', () => {
  const events = new EventBus();
  const keeper = () => new PlanKeeper({ records, clock: scene.clock, events, logger: silentLogger });

  async function endRun(runId: string, change: Partial<RunRow>): Promise<void> {
    await records.update('campaign_runs', change, [{ column: 'id', op: 'eq', value: runId }]);
  }

  test.each([
    ['cancelled', 'Changed my mind.', 'Changed my mind.'],
    ['aborted', null, 'The run that planned it is aborted.'],
  ] as const)('since its run is %s is failed, with the reason', async (status, given, reason) => {
    const { planId, runId } = await scene.submit();
    await endRun(runId, { status, status_reason: given });
    await keeper().runOnce();
    expect(await scene.plan(planId)).toMatchObject({ state: 'failed', state_reason: reason, run_id: runId });
  });

  test('is left alone while its run goes on or waits for people', async () => {
    const { planId, runId } = await scene.submit();
    await keeper().runOnce();
    expect((await scene.plan(planId)).state).toBe('planning');
    await endRun(runId, { status: 'queued' });
    await keeper().runOnce();
    expect((await scene.plan(planId)).state).toBe('planning');
  });

  test('since its process died before its run was made is failed after five minutes, not before', async () => {
    const { planId } = await scene.submit();
    await records.update('plans', { run_id: null }, [{ column: 'id', op: 'eq', value: planId }]);
    await scene.clock.advance(299_000);
    await keeper().runOnce();
    expect((await scene.plan(planId)).state).toBe('planning');
    await scene.clock.advance(2_000);
    await keeper().runOnce();
    expect(await scene.plan(planId)).toMatchObject({ state: 'failed', state_reason: 'Its run was never started.' });
  });

  test('since its run is not kept any more is failed', async () => {
    const { planId } = await scene.submit();
    await records.update('plans', { run_id: newId() }, [{ column: 'id', op: 'eq', value: planId }]);
    await scene.clock.advance(301_000);
    await keeper().runOnce();
    expect((await scene.plan(planId)).state).toBe('failed');
  });

  test('is no plan that has its arc', async () => {
    const { planId, runId } = await scene.active();
    await endRun(runId, { status: 'failed', status_reason: 'Later.' });
    await keeper().runOnce();
    expect(await scene.plan(planId)).toMatchObject({ state: 'active', state_reason: null });
  });

  test('is seen as soon as a run of plans ends', async () => {
    const { planId, runId } = await scene.submit();
    const looking = keeper();
    looking.start();
    await endRun(runId, { status: 'failed', status_reason: 'It broke.' });
    events.emit('run.finished', { runId, campaignId: PLANS_CAMPAIGN_ID });
    while ((await scene.plan(planId)).state === 'planning') await new Promise((resolve) => setImmediate(resolve));
    await looking.stop();
    expect(await scene.plan(planId)).toMatchObject({ state: 'failed', state_reason: 'It broke.' });
  });
});

describe('what is planned again after people turned it down', () => {
  const evidenceOf = (task: string, nth: number): Evidence[] => {
    const asked = model.requests.filter((request) => request.task === task);
    return asked[nth]?.input['evidence'] as unknown as Evidence[];
  };
  const turnedDown = (evidence: readonly Evidence[]) =>
    evidence.filter(({ id }) => id.startsWith('rejection-')).map(({ text }) => text);

  test('is an arc that is planned from their reason, too', async () => {
    const { planId } = await scene.submit();
    const { id } = await scene.decide(planId, { decision: 'reject', reason: 'Too little for hotels.' });
    expect((await scene.post(`/api/plans/${planId}/replan`)).status).toBe(202);
    await scene.harness.idle();
    expect(turnedDown(evidenceOf('plan.arc', 0))).toEqual([]);
    expect(evidenceOf('plan.arc', 1)).toContainEqual({
      id: `rejection-${id}`,
      text: 'People turned down an earlier proposal: Too little for hotels.',
      source: { kind: 'plan', location: `approvals/${id}` },
    });
  });

  test('are moves that are planned from the last three, with a reason or without', async () => {
    const { planId, runId } = await scene.submit({ assets: false });
    await scene.decide(planId);
    let last = runId;
    for (const reason of ['One', 'Two', undefined, 'Four']) {
      await scene.clock.advance(1_000);
      await scene.decide(planId, { decision: 'reject', ...(reason === undefined ? {} : { reason }) });
      const { body } = await scene.post(`/api/runs/${last}/retry`, { from: 'failed' });
      last = String(body.runId);
      await scene.harness.idle();
    }
    expect(turnedDown(evidenceOf('plan.moves', 4)).toSorted()).toEqual([
      'People turned down an earlier proposal.',
      'People turned down an earlier proposal: Four',
      'People turned down an earlier proposal: Two',
    ]);
    expect(turnedDown(evidenceOf('plan.arc', 0))).toEqual([]);
  });
});
