import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { asks, HOUR_MS, Scene, works } from './approvals-support.ts';

let records: TestRecords;
let scene: Scene;
beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());
beforeEach(async () => {
  scene = await Scene.open(records, { APPROVAL_GROUPS: 'marketing=Bea,Carl;finance=Dora' });
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});

describe('a step that asks', () => {
  test('waits without a worker, a lease or money, and tells what it waits for', async () => {
    const { run, approval } = await scene.asked([asks({}, { estimatedCost: 2 }), works()], { budget: { daily: 5 } });
    expect(run).toMatchObject({
      status: 'waiting',
      status_reason: 'Waits for people to decide: approval',
      claimed_by: null,
      lease_until_at: null,
      completed_at: null,
      total_cost_micros: 0,
    });
    expect(scene.harness.orchestrator.sessions.size).toBe(0);
    expect(await records.select('budget_entries', { where: [{ column: 'state', op: 'eq', value: 'held' }] })).toEqual(
      [],
    );
    expect(scene.calls()).toEqual([]);
    const { steps } = await scene.harness.read(run.id);
    expect(steps).toMatchObject([{ status: 'waiting', output: { approvals: [approval.id] } }]);
    expect(approval).toMatchObject({
      state: 'pending',
      title: 'May the offer go out?',
      summary: 'May the offer go out?',
      run_id: run.id,
      step_name: 'approval',
      created_at: '2026-03-02T09:00:00.000Z',
      expires_at: '2026-03-05T09:00:00.000Z',
    });
  });

  test('goes on with what was approved', async () => {
    const { run, approval } = await scene.asked();
    const decided = await scene.decide(approval.id, 'approve', 'Bea', 'fine');
    expect(decided).toMatchObject({ state: 'approved', decided_by: 'Bea', reason: 'fine', diff: null });
    expect(await scene.state(run.id)).toEqual({ run: 'completed', approval: 'completed', prospecting: 'completed' });
    expect(scene.calls()).toEqual([{ offer: '10 % off' }]);
    const { steps } = await scene.harness.read(run.id);
    expect(steps[0]?.output).toEqual({
      approvalId: approval.id,
      decision: 'approved',
      by: 'Bea',
      reason: 'fine',
      edited: false,
      subject: approval.subject,
    });
  });

  test('fails with the reason when it is rejected, and nothing behind it is done', async () => {
    const { run, approval } = await scene.asked();
    await scene.decide(approval.id, 'reject', 'Bea', 'too dear');
    expect(await scene.state(run.id)).toEqual({ run: 'failed', approval: 'failed', prospecting: 'skipped' });
    const { run: ended, steps } = await scene.harness.read(run.id);
    expect(ended.errors).toMatchObject([
      { step: 'approval', code: 'APPROVAL_REJECTED', error: 'Rejected by Bea: too dear' },
    ]);
    expect(steps[0]?.output).toMatchObject({ decision: 'rejected', reason: 'too dear' });
    expect(scene.calls()).toEqual([]);
  });

  test('lets the run go on after a rejection where its onFailure says so', async () => {
    const { run, approval } = await scene.asked([asks({}, { onFailure: 'continue' }), works({ params: {} })]);
    await scene.decide(approval.id, 'reject');
    expect(await scene.state(run.id)).toEqual({ run: 'partial', approval: 'failed', prospecting: 'completed' });
  });

  test('writes every turn into the events of the run', async () => {
    const { run, approval } = await scene.asked();
    await scene.decide(approval.id);
    const events = await records.select('run_events', {
      where: [{ column: 'run_id', op: 'eq', value: run.id }],
      order: [{ column: 'seq' }],
    });
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.map(({ type }) => type).slice(0, 8)).toEqual([
      'run.queued',
      'run.started',
      'step.started',
      'step.waiting',
      'run.waiting',
      'approval.decided',
      'run.resumed',
      'step.started',
    ]);
    expect(events[5]?.data).toEqual({
      approvalId: approval.id,
      step: 'approval',
      decision: 'approved',
      by: 'Bea',
      reason: null,
      edited: false,
    });
    expect(scene.harness.seen.map(({ type }) => type).filter((type) => type.startsWith('approval.'))).toEqual([
      'approval.asked',
      'approval.decided',
    ]);
  });

  test('shows no secret of the environment to those who are asked', async () => {
    const secret = 'sesame-open-now';
    const worker = scene.worker('secretive', { env: { ENV_REFERENCES: 'CRM_KEY', CRM_KEY: secret } });
    const { id } = await worker.createCampaign({
      name: 'Secretive',
      notifications: { onFailure: { email: 'ops@example.com' } },
      steps: [asks({ summary: 'With {{ env.CRM_KEY }}', subject: { key: '{{ env.CRM_KEY }}' } })],
    });
    await worker.runToEnd(id);
    expect(JSON.stringify([await scene.approval(), await scene.told('approval.asked')])).not.toContain(secret);
  });
});

describe('a question that nobody answers', () => {
  test('counts as rejected at its time, not before', async () => {
    const { run, approval } = await scene.asked([asks({ expiresIn: '2h' }), works()]);
    scene.clock.set(Date.parse(approval.expires_at) - 1);
    await scene.tend();
    expect(await scene.state(run.id)).toEqual({ run: 'waiting', approval: 'waiting' });
    scene.clock.set(approval.expires_at);
    await scene.tend();
    expect(await scene.state(run.id)).toEqual({ run: 'failed', approval: 'failed', prospecting: 'skipped' });
    expect((await scene.harness.read(run.id)).run.errors).toMatchObject([{ code: 'APPROVAL_NOT_GIVEN' }]);
    expect(await scene.approval()).toMatchObject({ state: 'expired', decided_by: null, remind_at: null });
    expect(scene.harness.seen.find(({ type }) => type === 'approval.expired')?.facts).toMatchObject({
      approvalId: approval.id,
      runId: run.id,
      campaignId: run.campaign_id,
      step: 'approval',
      decision: 'expired',
    });
  });

  test('counts as approved where it says so', async () => {
    const { run } = await scene.asked([asks({ expiresIn: '2h', onExpiry: 'approve' }), works()]);
    scene.clock.set(scene.clock.now() + 2 * HOUR_MS);
    await scene.tend();
    expect(await scene.state(run.id)).toMatchObject({ run: 'completed' });
    expect(scene.calls()).toEqual([{ offer: '10 % off' }]);
    const { steps } = await scene.harness.read(run.id);
    expect(steps[0]?.output).toMatchObject({ decision: 'approved', by: null, reason: 'nobody decided in time' });
  });

  test('takes no answer after its time, though nobody has looked yet', async () => {
    const { approval } = await scene.asked();
    scene.clock.set(approval.expires_at);
    await expect(scene.decide(approval.id)).rejects.toMatchObject({ code: 'APPROVAL_EXPIRED', status: 409 });
    await scene.tend();
    await expect(scene.decide(approval.id)).rejects.toMatchObject({ code: 'APPROVAL_EXPIRED' });
  });

  test('and counts as approved, is answered by its expiry', async () => {
    const { approval } = await scene.asked([asks({ onExpiry: 'approve' }), works()]);
    scene.clock.set(approval.expires_at);
    await scene.tend();
    await expect(scene.decide(approval.id, 'reject')).rejects.toMatchObject({
      code: 'APPROVAL_DECIDED',
      message: expect.stringContaining('approved by its expiry'),
    });
  });
});

describe('who decides', () => {
  test('only the first one does, whom the others are told', async () => {
    const { run, approval } = await scene.asked();
    await scene.decide(approval.id, 'reject', 'Carl');
    await expect(scene.decide(approval.id, 'approve', 'Bea')).rejects.toMatchObject({
      code: 'APPROVAL_DECIDED',
      status: 409,
      message: `Approval ${approval.id} has been decided: rejected by Carl.`,
    });
    expect(await scene.state(run.id)).toMatchObject({ run: 'failed' });
  });

  test.each(['Ann Lee', 'ann lee', '  ANN   LEE ', 'Ａｎｎ Lee', 'Ann\u200b Lee', 'Ann\u00a0Lee'])(
    'is not who requested it, also as %j',
    async (by) => {
      const { approval } = await scene.asked([asks({ requestedBy: 'Ann Lee' })]);
      await expect(scene.decide(approval.id, 'approve', by)).rejects.toMatchObject({
        code: 'APPROVAL_SELF',
        status: 403,
      });
      expect((await scene.approval()).state).toBe('pending');
    },
  );

  test('is anybody else, and who requested it where that is allowed', async () => {
    const { approval } = await scene.asked([asks({ requestedBy: 'Ann Lee', allowSelf: true })]);
    expect(await scene.decide(approval.id, 'approve', 'ann lee')).toMatchObject({ state: 'approved' });
    const other = await scene.run([asks({ requestedBy: 'Ann Lee' })]);
    const [, second] = await scene.approvals();
    await scene.decide(second?.id ?? '', 'approve', 'Ann Leeson');
    expect(await scene.state(other.run.id)).toEqual({ run: 'completed', approval: 'completed' });
  });

  test('is a member of one of the groups that it names', async () => {
    const { approval } = await scene.asked([asks({ groups: ['marketing', 'finance'] })]);
    const refused = scene.decide(approval.id, 'approve', 'Eve');
    await expect(refused).rejects.toMatchObject({ code: 'APPROVAL_NOT_IN_GROUP', status: 403 });
    await expect(refused).rejects.toMatchObject({ details: [{ mend: 'a member of marketing, finance decides' }] });
    expect(await scene.decide(approval.id, 'approve', ' dora')).toMatchObject({
      state: 'approved',
      decided_by: ' dora',
    });
  });

  test('is nobody where a group is unknown: the step fails and says so', async () => {
    const { run } = await scene.run([asks({ groups: ['marketing', '{{ run.trigger }}'] }), works()]);
    expect(run.status).toBe('failed');
    expect(run.errors).toMatchObject([
      {
        code: 'APPROVAL_GROUP_UNKNOWN',
        error:
          'The step names the group "manual", which is not configured, so that nobody could decide; there are marketing, finance.',
      },
    ]);
    expect(await scene.approvals()).toEqual([]);
  });
});
