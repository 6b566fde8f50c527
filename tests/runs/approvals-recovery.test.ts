import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Records } from '../../database/records.ts';
import type { JsonObject } from '../../database/tables.ts';
import type { Question, WorkContext, WorkResult } from '../../moves/work.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { NO_PLANNING } from '../support/planning.ts';
import { asks, Scene, works } from './approvals-support.ts';

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

const NOTIFIED = { notifications: { onFailure: { email: 'ops@example.com', slack: false } } };

/** Records on which a worker dies right after one of its calls has been committed: it never hears of it. */
function dyingAfter(name: string, which: number) {
  const died = Promise.withResolvers<void>();
  let count = 0;
  let dead = false;
  const never = () => new Promise<never>(() => undefined);
  const through = new Proxy<Records>(records, {
    get(target, key) {
      const value = Reflect.get(target, key, target) as unknown;
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        if (dead) return never();
        const answer: unknown = await value.apply(target, args);
        if (key !== 'call' || args[0] !== name || (count += 1) !== which) return answer;
        dead = true;
        died.resolve();
        return never();
      };
    },
  });
  return { through, died: died.promise };
}

/** A run whose worker dies after one of its calls; its lease has lapsed. */
async function orphan(call: string, which: number): Promise<string> {
  const { through, died } = dyingAfter(call, which);
  const doomed = scene.worker('doomed', { records: through });
  const { id } = await scene.harness.createCampaign({ name: 'Offer', steps: [asks(), works()], ...NOTIFIED });
  const { runId } = await doomed.runs.start(id, { force: false });
  await died;
  await records.pool.query('update campaign_runs set lease_until_at = null');
  return runId;
}

const DONE = { run: 'completed', approval: 'completed', prospecting: 'completed' };

describe('an answer', () => {
  test('that comes while the run still goes on is heard once it waits', async () => {
    const hold = Promise.withResolvers<JsonObject>();
    scene.scripts['/api/analyze'] = () => hold.promise;
    const group = { parallel: [asks(), { name: 'other', engine: 'analysis' }] };
    const { id } = await scene.harness.createCampaign({ name: 'Both', steps: [group, works()] });
    const busy = scene.engine.asked('/api/analyze');
    const asked = scene.harness.next('approval.asked');
    const { runId } = await scene.harness.runs.start(id, { force: false });
    await Promise.all([busy, asked]);
    await scene.harness.approvals.decide((await scene.approval()).id, { decision: 'approve', by: 'Bea', reason: null });
    expect((await scene.harness.read(runId)).run.status).toBe('running');
    await scene.harness.keeper.runOnce();
    expect((await scene.harness.read(runId)).run.status).toBe('running');
    hold.resolve({ success: true, summary: { successful: 1 } });
    await scene.harness.idle();
    await scene.tend();
    expect(await scene.state(runId)).toEqual({ ...DONE, other: 'completed' });
  });

  test('that nobody can hear any more wakes its run at most once', async () => {
    const { run, approval } = await scene.asked();
    // As it is when the step that asked has failed for another reason, and another one waits.
    await records.pool.query("update approvals set state = 'approved', decided_at = now() where id = $1", [
      approval.id,
    ]);
    await records.pool.query('update approvals set id = gen_random_uuid()');
    for (let look = 0; look < 5; look += 1) await scene.tend();
    const { steps } = await scene.harness.read(run.id);
    expect(steps[0]).toMatchObject({ status: 'waiting', attempts: 2 });
  });
});

describe('a worker that dies', () => {
  test('between asking and waiting has asked once, and another one waits for the same answer', async () => {
    const runId = await orphan('ask_approval', 1);
    const first = await scene.approval();
    expect(await scene.told('approval.asked')).toHaveLength(1);
    await scene.harness.orchestrator.execute(runId);
    expect(await scene.state(runId)).toEqual({ run: 'waiting', approval: 'waiting' });
    expect(await scene.approval()).toEqual(first);
    expect(await scene.told('approval.asked')).toHaveLength(1);
    await scene.decide(first.id);
    expect(await scene.state(runId)).toEqual(DONE);
  });

  test('and was answered before another takes over, is answered to that one', async () => {
    const runId = await orphan('ask_approval', 1);
    await scene.decide((await scene.approval()).id);
    await scene.harness.orchestrator.execute(runId);
    expect(await scene.state(runId)).toEqual(DONE);
  });

  test('once it waits is not missed', async () => {
    const runId = await orphan('journal_write', 2);
    expect(await scene.state(runId)).toEqual({ run: 'waiting', approval: 'waiting' });
    await scene.decide((await scene.approval()).id);
    expect(await scene.state(runId)).toEqual(DONE);
    expect(scene.calls()).toHaveLength(1);
  });

  test('with the answer in hand leaves it to the next one', async () => {
    const { run, approval } = await scene.asked();
    const { through, died } = dyingAfter('ask_approval', 1);
    const doomed = scene.worker('doomed', { records: through });
    // The worker of the scene is busy; the other one takes the run.
    await records.call('decide_approval', {
      p_id: approval.id,
      p_state: 'approved',
      p_by: 'Bea',
      p_reason: null,
      p_edited: null,
      p_diff: null,
      p_at: '2026-03-02T10:00:00Z',
    });
    void doomed.orchestrator.execute(run.id);
    await died;
    await records.pool.query('update campaign_runs set lease_until_at = null');
    await scene.harness.orchestrator.execute(run.id);
    expect(await scene.state(run.id)).toEqual(DONE);
  });

  test('is told to a worker of the version before as a step that goes on, not as one that is done', async () => {
    const { run, approval } = await scene.asked();
    await records.call('decide_approval', {
      p_id: approval.id,
      p_state: 'rejected',
      p_by: 'Bea',
      p_reason: null,
      p_edited: null,
      p_diff: null,
      p_at: '2026-03-02T10:00:00Z',
    });
    const [claimed] = await records.call<{ steps: JsonObject[] }[]>('claim_runs', {
      p_run_ids: [run.id],
      p_worker: 'before',
      p_now: '2026-03-02T10:00:00Z',
      p_lease_ms: 30_000,
    });
    const [step] = (await scene.harness.read(run.id)).steps;
    expect(claimed?.steps).toEqual([expect.objectContaining({ name: 'approval', status: 'running', position: 0 })]);
    expect(Object.keys(claimed?.steps[0] ?? {}).toSorted()).toEqual(Object.keys(step ?? {}).toSorted());
  });
});

describe('while the database is away', () => {
  test('a step that asks waits for it and asks then', async () => {
    let away = true;
    const through = new Proxy<Records>(records, {
      get(target, key) {
        const value = Reflect.get(target, key, target) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) =>
          away && key === 'call' && args[0] === 'ask_approval'
            ? Promise.reject(new DatabaseUnavailableError('away'))
            : (value.apply(target, args) as unknown);
      },
    });
    const worker = scene.worker('patient', { records: through });
    const { id } = await worker.createCampaign({ name: 'Offer', steps: [asks(), works()] });
    const ended = worker.runToEnd(id);
    while (!worker.seen.some(({ type }) => type === 'step.started')) await worker.next('step.started');
    await scene.clock.untilSleeping(2);
    away = false;
    await scene.clock.advance(500);
    expect((await ended).run.status).toBe('waiting');
    await scene.decide((await scene.approval()).id);
    expect(await scene.state((await ended).run.id)).toEqual(DONE);
  });
});

describe('a step that asks twice', () => {
  test('is run three times with one try', async () => {
    const arc = async (_: JsonObject, context: WorkContext): Promise<WorkResult> => {
      for (const name of ['first', 'second']) {
        const answer = await context.ask({ ...QUESTION, name });
        if (answer.decision === 'pending')
          return { outcome: 'waiting', output: { approvals: [answer.approvalId] }, costMicros: 100_000 };
      }
      return { outcome: 'completed', output: {}, costMicros: 50_000 };
    };
    const worker = scene.worker('planner', { planning: { ...NO_PLANNING, arc } });
    const retry = { attempts: 1, delay: 0 };
    const params = { plan: '0198a000-0000-7000-8000-00000000000b' };
    const { id } = await worker.createCampaign({ name: 'Plan', steps: [{ engine: 'arc', retry, params }] });
    const { run } = await worker.runToEnd(id);
    for (const times of [1, 2]) {
      const pending = (await scene.approvals()).filter(({ state }) => state === 'pending');
      expect(await scene.approvals()).toHaveLength(times);
      await worker.approvals.decide(pending[0]?.id ?? '', { decision: 'approve', by: 'Bea', reason: null });
      await worker.idle();
    }
    const { run: ended, steps } = await worker.read(run.id);
    expect(ended).toMatchObject({ status: 'completed', total_cost_micros: 250_000 });
    expect(steps).toMatchObject([{ status: 'completed', attempts: 3, cost_micros: 250_000 }]);
  });
});

const QUESTION: Question = {
  name: 'first',
  kind: 'arc',
  planId: null,
  title: 'An arc',
  summary: 'An arc.',
  subject: {},
  context: {},
  groups: [],
  requestedBy: null,
  allowSelf: false,
  expiresInMs: 3_600_000,
  onExpiry: 'rejected',
};
