import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Arc } from '../../moves/arc.ts';
import { addDays } from '../../moves/calendar.ts';
import type { PivotProposal } from '../../moves/pivots/pivot.ts';
import type { JsonObject } from '../../shared/json.ts';
import { intercepted } from '../support/intercept.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { PlanScene } from './planner-support.ts';
import { but, DAY, PlanningModel } from './planning-parts.ts';

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

const TODAY = '2026-04-01';

/** An active plan, a month later, whose leads are red. */
async function behind(): Promise<string> {
  const { planId } = await scene.active();
  scene.clock.set(Date.parse(`${TODAY}T09:00:00Z`));
  await scene.observe(planId, 'leads', 45);
  await scene.observe(planId, 'no-shows', 12);
  return planId;
}

async function pivot(planId: string, body: JsonObject = {}): Promise<string> {
  const answer = await scene.post(`/api/plans/${planId}/pivots`, body);
  if (answer.status !== 202) throw new Error(JSON.stringify(answer.body));
  await scene.harness.idle();
  return answer.body.runId as string;
}

async function pivotStep(runId: string) {
  const { run, steps } = await scene.read(runId);
  const step = steps.find(({ name }) => name === 'pivot');
  return { run: run.status, status: step?.status, output: step?.output ?? {}, error: step?.error };
}

const shares = ({ channels }: Arc) =>
  Object.fromEntries(channels.map(({ channel, budgetShare }) => [channel, budgetShare]));

describe('a pivot', () => {
  test('is proposed where a KPI is red, and becomes the next version of the arc when it is approved', async () => {
    const planId = await behind();
    const runId = await pivot(planId);
    expect(await scene.pivots(planId)).toEqual([
      expect.objectContaining({
        state: 'proposed',
        from_version: 1,
        to_version: null,
        run_id: runId,
        decided_at: null,
      }),
    ]);
    expect(await scene.versions(planId)).toHaveLength(1);
    const asked = await scene.decide(planId, { reason: 'Let us try.' });
    expect(asked).toMatchObject({ kind: 'pivot', title: 'Pivot of Spring', requested_by: 'Ana' });
    expect(asked.summary).toContain('It would cost');
    const [before, after] = await scene.versions(planId);
    expect(after).toMatchObject({
      arc_version: 2,
      approved_by: 'Ben',
      approval_id: asked.id,
      run_id: runId,
      model: 'model-1',
    });
    expect(shares(after?.arc as unknown as Arc)).not.toEqual(shares(before?.arc as unknown as Arc));
    expect(after?.changes.length).toBeGreaterThan(0);
    expect(after?.diff.length).toBeGreaterThan(0);
    // It goes on citing what was true on the day on which it was made.
    expect(after?.evidence.map(({ id }) => id)).toContain(`kpi-leads@${TODAY}`);
    const [row] = await scene.pivots(planId);
    expect(row).toMatchObject({
      state: 'approved',
      to_version: 2,
      decided_by: 'Ben',
      reason: 'Let us try.',
      approval_id: asked.id,
    });
    expect(after?.pivot_id).toBe(row?.id);
    expect(await scene.plan(planId)).toMatchObject({ state: 'active', arc_version: 2 });
    expect(await pivotStep(runId)).toMatchObject({
      run: 'completed',
      output: { planId, arcVersion: 2, pivotId: row?.id },
    });
    const [chosen] = (await scene.decisions(planId)).filter(({ action }) => action === 'pivot.choose_evidence');
    expect(chosen?.evidence).toMatchObject({ colour: 'red', hash: row?.evidence_hash });
  });

  test('is not proposed where no KPI falls short, unless it is asked for', async () => {
    const { planId } = await scene.active();
    const asked = model.requests.length;
    const runId = await pivot(planId);
    expect(await pivotStep(runId)).toMatchObject({ run: 'completed', output: { reason: 'no KPI is amber or red' } });
    expect(model.requests).toHaveLength(asked);
    await pivot(planId, { always: true });
    expect(await scene.pending(planId)).toHaveLength(1);
  });

  test('that was rejected is not proposed again before its evidence has changed', async () => {
    const planId = await behind();
    const first = await pivot(planId);
    await scene.decide(planId, { decision: 'reject', reason: 'Keep Facebook.' });
    expect(await pivotStep(first)).toMatchObject({ run: 'failed', error: { code: 'APPROVAL_REJECTED' } });
    const [rejected] = await scene.pivots(planId);
    expect(rejected).toMatchObject({
      state: 'rejected',
      decided_by: 'Ben',
      reason: 'Keep Facebook.',
      to_version: null,
    });
    const asked = model.asked('plan.pivot');
    const again = await pivot(planId, { always: true });
    const reason = `pivot ${rejected?.id} was rejected on the same evidence`;
    expect((await pivotStep(again)).output).toMatchObject({ reason });
    expect(model.asked('plan.pivot')).toBe(asked);
    scene.clock.set(scene.clock.now() + DAY);
    await scene.observe(planId, 'leads', 44);
    await pivot(planId);
    expect(await scene.pending(planId)).toHaveLength(1);
    const [request] = model.requests.filter(({ task }) => task === 'plan.pivot').slice(-1);
    expect(request?.input['rejected']).toEqual([expect.objectContaining({ reason: 'Keep Facebook.' })]);
  });

  test('that nobody decided on in time has expired', async () => {
    const planId = await behind();
    const runId = await pivot(planId, { approval: { expiresIn: '1d' } });
    scene.clock.set(scene.clock.now() + DAY);
    await scene.harness.keeper.runOnce();
    await scene.harness.idle();
    expect(await scene.pivots(planId)).toEqual([expect.objectContaining({ state: 'expired', decided_by: null })]);
    expect(await pivotStep(runId)).toMatchObject({ run: 'failed', error: { code: 'APPROVAL_NOT_GIVEN' } });
    expect(await scene.versions(planId)).toHaveLength(1);
  });

  test('takes effect by its expiry where that was wanted', async () => {
    const planId = await behind();
    await pivot(planId, { approval: { expiresIn: '1d', onExpiry: 'approve' } });
    scene.clock.set(scene.clock.now() + DAY);
    await scene.harness.keeper.runOnce();
    await scene.harness.idle();
    const [, version] = await scene.versions(planId);
    expect(version).toMatchObject({ arc_version: 2, approved_by: null });
    expect((await scene.decisions(planId)).at(-1)).toMatchObject({ agent: 'expiry', action: 'pivot.approved' });
  });

  test('takes effect as it was edited, with the evidence that this cites', async () => {
    const planId = await behind();
    await pivot(planId);
    const [asked] = await scene.pending(planId);
    const proposal = asked?.subject as unknown as PivotProposal;
    const edits = [
      { op: 'replace', path: '/arc/channels/0/why', value: { text: 'Owners want fewer calls.', facts: ['survey'] } },
      { op: 'replace', path: '/shifts', value: ['As we talked about'] },
    ];
    const bad = await scene.post(`/api/approvals/${asked?.id}/decision`, {
      decision: 'approve',
      by: 'Ben',
      edits: [{ op: 'replace', path: '/arc/channels/0/why/facts', value: ['nothing'] }],
    });
    expect(bad.body.error.details).toEqual([expect.objectContaining({ path: 'edits.arc.channels[0].why.facts[0]' })]);
    await scene.decide(planId, { edits });
    const [, version] = await scene.versions(planId);
    const arc = version?.arc as unknown as Arc;
    expect(arc.channels[0]?.why).toEqual({ text: 'Owners want fewer calls.', facts: ['survey'] });
    expect(shares(arc)).toEqual(shares(proposal.arc));
    expect(version?.evidence.map(({ id }) => id)).toContain('survey');
    const [row] = await scene.pivots(planId);
    expect(row?.proposal['shifts']).toEqual(['As we talked about']);
  });

  test('is withdrawn when another one has been approved for the same version before it', async () => {
    const planId = await behind();
    // Both look before either has put its proposal on record.
    const both = Promise.withResolvers<void>();
    let looking = 0;
    const racing = intercepted(records, async (name, args, next) => {
      if (name === 'record_decisions' && JSON.stringify(args).includes('pivot.choose_evidence')) {
        looking += 1;
        if (looking === 2) both.resolve();
        await both.promise;
      }
      return next();
    });
    const { clock } = scene;
    await scene.close();
    scene = new PlanScene(racing, { model, clock, pool: records.pool });
    const runs = await Promise.all([pivot(planId), pivot(planId)]);
    const [one, two] = await scene.pending(planId);
    if (!one || !two) throw new Error('they did not race');
    await scene.decideOn(one.id);
    await scene.decideOn(two.id);
    const late = await pivotStep(String(runs.find((runId) => runId === two.run_id)));
    expect(late).toMatchObject({ run: 'failed', error: { code: 'PLAN_CHANGED' } });
    expect((await scene.versions(planId)).map(({ approval_id: approval }) => approval).slice(1)).toEqual([one.id]);
    const pivots = await scene.pivots(planId);
    expect(pivots.find((row) => row.run_id === one.run_id)).toMatchObject({ state: 'approved', to_version: 2 });
    expect(pivots.find((row) => row.run_id === two.run_id)).toMatchObject({
      state: 'withdrawn',
      to_version: null,
      reason: late.error?.message,
    });
  });

  test('waits for the decision on the one before it, and takes the place of one that nobody can decide on', async () => {
    const planId = await behind();
    const first = await pivot(planId);
    const [proposed] = await scene.pivots(planId);
    const second = await pivot(planId);
    expect((await pivotStep(second)).output).toMatchObject({ reason: `pivot ${proposed?.id} waits for a decision` });
    await scene.post(`/api/runs/${first}/cancel`);
    const third = await pivot(planId);
    const states = (await scene.pivots(planId)).map((row) => [row.run_id, row.state]);
    expect(Object.fromEntries(states)).toEqual({ [first]: 'withdrawn', [third]: 'proposed' });
  });

  test('rewrites nothing that is past by the time that it is approved', async () => {
    const planId = await behind();
    const soon = addDays(TODAY, 4);
    model.script['plan.pivot'] = [
      but<PivotProposal>(({ arc }) => {
        const next = arc.milestones.find(({ dueOn }) => dueOn > soon);
        if (next) next.dueOn = soon;
      }),
    ];
    const runId = await pivot(planId, { approval: { expiresIn: '30d' } });
    scene.clock.set(scene.clock.now() + 10 * DAY);
    await scene.decide(planId);
    const { run, error } = await pivotStep(runId);
    expect([run, error?.code]).toEqual(['failed', 'PLAN_CHANGED']);
    expect(error?.message).toContain('lay in the past');
    expect(await scene.versions(planId)).toHaveLength(1);
    expect(await scene.pivots(planId)).toEqual([expect.objectContaining({ state: 'withdrawn' })]);
  });
});

describe('pivots over HTTP', () => {
  test('are listed, newest first, page by page', async () => {
    const planId = await behind();
    for (const value of [44, 43, 42]) {
      await pivot(planId);
      await scene.decide(planId, { decision: 'reject' });
      scene.clock.set(scene.clock.now() + DAY);
      await scene.observe(planId, 'leads', value);
    }
    const first = await scene.get(`/api/plans/${planId}/pivots?limit=2`);
    expect(first.status).toBe(200);
    const second = await scene.get(`/api/plans/${planId}/pivots?limit=2&cursor=${first.body.nextCursor}`);
    const listed = [...first.body.pivots, ...second.body.pivots] as JsonObject[];
    expect(listed.map(({ id }) => id)).toEqual((await scene.pivots(planId)).map(({ id }) => id).toReversed());
    expect(listed[0]).toMatchObject({ planId, state: 'rejected', fromVersion: 1, toVersion: null, decidedBy: 'Ben' });
    expect(second.body.nextCursor).toBeNull();
    expect((await scene.get('/api/plans/00000000-0000-7000-8000-000000000000/pivots')).status).toBe(404);
  });

  test('are refused for a plan that has no arc yet, or has ended', async () => {
    const { planId } = await scene.submit({ assets: false });
    const early = await scene.post(`/api/plans/${planId}/pivots`);
    expect([early.status, early.body.error.code]).toEqual([409, 'PLAN_NOT_ACTIVE']);
    await scene.decide(planId);
    await scene.decide(planId);
    await scene.post(`/api/plans/${planId}/end`);
    expect((await scene.post(`/api/plans/${planId}/pivots`)).body.error.code).toBe('PLAN_NOT_ACTIVE');
  });
});
